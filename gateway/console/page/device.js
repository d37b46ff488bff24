// Device: the virtual devices, by the control of the simulator in the same process. What
// is shown is asked for once a second while somebody looks.

import { h, select } from './dom.js'
import { number, t } from './words.js'
import { Values } from './values_form.js'
import { Faults } from './faults.js'
import { Calls } from './calls.js'

const EVERY = 1000 // ms
const SPEEDS = [0.1, 1, 10, 60, 600, 3600]
const STEPS = ['1s', '1m', '10m', '1h', '24h']

// Control asks the simulator. An answer that is not good is thrown as an Error with the
// simulator's own sentence.
export class Control {
  #base
  #signal

  constructor(base, signal) {
    this.#base = base.replace(/^\//, '')
    this.#signal = signal
  }

  async ask(method, path, body) {
    const answer = await fetch(this.#base + path, { method, body: body === undefined ? undefined : JSON.stringify(body), signal: this.#signal })
    if (answer.status === 204) return null
    if (answer.status === 401) location.reload() // the login is over
    const said = await answer.json()
    if (!answer.ok) throw new Error(typeof said.error === 'string' ? said.error : said.error.message)
    return said
  }

  get(path) { return this.ask('GET', path) }
}

export function mount(root, context) {
  const control = new Control(context.view.simulator, context.signal)
  const problem = h('p', { class: 'problem', role: 'alert' })
  // doing runs what a person asked for and says what went wrong.
  const doing = async (work, done) => {
    try {
      await work()
      if (done) context.say(done, 'good')
    } catch (error) {
      if (error.name !== 'AbortError') context.say(error.message, 'bad')
    }
    look()
  }
  const clock = new Clock(control, doing)
  const values = new Values(control, doing)
  const faults = new Faults(control, doing, context)
  const calls = new Calls(control, doing)
  root.append(h('h1', {}, t('tab.device')), problem, clock.element, values.element, faults.element, calls.element)

  let timer = 0
  let asking = false
  const look = async () => {
    if (asking || root.hidden || document.hidden) return
    asking = true
    try {
      const status = await control.get('status')
      clock.show(status.clock)
      await Promise.all([values.look(status.devices), faults.look(status.clock), calls.look(status.calls)])
      problem.textContent = ''
    } catch (error) {
      if (error.name !== 'AbortError') problem.textContent = error instanceof TypeError ? t('device.unreachable') : error.message
    } finally {
      asking = false
    }
  }
  const awake = () => {
    clearInterval(timer)
    if (root.hidden || document.hidden) return
    timer = setInterval(look, EVERY)
    look()
  }
  document.addEventListener('visibilitychange', awake, { signal: context.signal })
  context.signal.addEventListener('abort', () => clearInterval(timer))
  return {
    show([unit]) {
      values.choose(unit)
      awake()
    },
    hide: awake
  }
}

// Clock shows and changes the simulator's clock, and has the power switch.
class Clock {
  element
  #now = h('span', { class: 'now mono' }, '–')
  #state = h('span', { class: 'badge' })
  #pause
  #speed
  #paused = null

  constructor(control, doing) {
    const set = (change) => doing(() => control.ask('PUT', 'clock', change))
    this.#pause = h('button', { onclick: () => set({ paused: !this.#paused }) }, t('device.pause'))
    this.#speed = select(SPEEDS.map((speed) => [speed, t('device.times', { n: number(speed) })]), 1, {
      'aria-label': t('device.speed'), onchange: (event) => set({ speed: Number(event.target.value) })
    })
    const by = select(STEPS.map((step) => [step, t('device.step_' + step)]), '1m', { 'aria-label': t('device.step_by') })
    const step = h('button', { onclick: () => doing(() => control.ask('POST', 'clock/step', { by: by.value })) }, t('device.step'))
    const cycle = h('button', { onclick: () => doing(() => control.ask('POST', 'power-cycle'), t('device.cycled')) }, t('device.cycle'))
    this.element = h('section', { class: 'card clock', 'aria-label': t('device.clock') },
      h('div', { class: 'row' }, h('h2', {}, t('device.clock')), this.#state, this.#now),
      h('div', { class: 'row controls' }, this.#pause, h('span', { class: 'row' }, this.#speed), h('span', { class: 'row' }, by, step), h('span', { class: 'grow' }), cycle))
  }

  show(clock) {
    this.element.hidden = !clock
    if (!clock) return
    this.#now.textContent = new Date(clock.now).toLocaleString(document.documentElement.lang, { dateStyle: 'short', timeStyle: 'medium', hour12: false })
    if (this.#paused !== clock.paused) {
      this.#paused = clock.paused
      this.#pause.textContent = t(clock.paused ? 'device.resume' : 'device.pause')
    }
    this.#state.textContent = clock.paused ? t('device.paused') : t('device.times', { n: number(clock.speed) })
    this.#state.className = 'badge ' + (clock.paused ? 'warn' : clock.speed === 1 ? 'good' : 'warn')
    if (document.activeElement === this.#speed) return
    if (![...this.#speed.options].some((option) => Number(option.value) === clock.speed)) {
      this.#speed.append(h('option', { value: clock.speed }, t('device.times', { n: number(clock.speed) })))
    }
    this.#speed.value = clock.speed
  }
}
