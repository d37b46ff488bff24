// Line: the buses and their units, as /api/buses counts them, and what passes on them.

import { h, replace } from './dom.js'
import { number, t } from './words.js'
import { exceptionWords } from './explain.js'
import { ageText } from './values.js'
import { Trace } from './trace.js'

const EVERY = 2000 // ms between two looks

export function mount(root, context) {
  const buses = h('div', { class: 'stack' })
  const problem = h('p', { class: 'problem', role: 'alert' })
  const cards = new Map(context.view.buses.map((bus) => [bus.name, new BusCard(bus)]))
  const trace = cards.size ? new Trace(context) : null
  root.append(h('h1', {}, t('tab.line')), problem, buses)
  replace(buses, cards.size ? [...cards.values()].map((card) => card.element) : h('p', { class: 'card empty' }, t('line.none')))
  if (trace) root.append(trace.element)

  let timer = 0
  let asking = false
  const look = async () => {
    if (asking || root.hidden || document.hidden) return
    asking = true
    try {
      const answer = await fetch('api/buses', { signal: context.signal })
      if (answer.status === 401) return location.reload() // the login is over
      if (!answer.ok) throw new Error(String(answer.status))
      const report = await answer.json()
      problem.textContent = ''
      for (const bus of report.buses) cards.get(bus.name)?.show(bus, Date.parse(report.time))
    } catch (error) {
      if (error.name !== 'AbortError') problem.textContent = t('line.unreachable')
    } finally {
      asking = false
    }
  }
  const awake = () => {
    clearInterval(timer)
    const there = !root.hidden && !document.hidden
    if (there) {
      timer = setInterval(look, EVERY)
      look()
    }
    trace?.follow(there)
  }
  document.addEventListener('visibilitychange', awake, { signal: context.signal })
  context.signal.addEventListener('abort', () => {
    clearInterval(timer)
    trace?.follow(false)
  })
  return {
    show([bus]) {
      if (cards.has(bus)) trace.choose(bus)
      awake()
    },
    hide: awake
  }
}

// BusCard shows one bus. Its elements stay; only their texts change.
class BusCard {
  element
  #state = h('span', { class: 'badge' })
  #error = h('p', { class: 'problem' })
  #bar = h('span', { class: 'share' }, h('span', {}))
  #figures = {}
  #units = new Map()
  #rows = h('tbody', { role: 'rowgroup' })
  #table

  constructor(bus) {
    const figure = (name) => {
      this.#figures[name] = h('span', {}, '–')
      return h('div', {}, h('dt', {}, t('line.' + name)), h('dd', {}, this.#figures[name], name === 'utilisation' && this.#bar))
    }
    const columns = ['unit', 'devices', 'unit_state', 'rate', 'polls', 'requests', 'reply_time', 'errors']
    // The roles stay where a narrow window stacks the cells, which ends those of a table.
    this.#table = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('line.units_of', { bus: bus.name }), hidden: true },
      h('table', { class: 'table units', role: 'table' }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((name) => h('th', { scope: 'col', role: 'columnheader', class: numeric.has(name) ? 'number' : '' }, t('line.' + name))))), this.#rows))
    this.element = h('section', { class: 'card bus', 'data-bus': bus.name, 'aria-label': t('line.bus', { bus: bus.name }) },
      h('div', { class: 'row' }, h('h2', {}, bus.name), this.#state, h('small', { class: 'mono where' }, bus.line)),
      this.#error,
      h('dl', { class: 'figures' }, ['rate', 'utilisation', 'queue', 'polls', 'requests', 'errors', 'turned_away'].map(figure)),
      this.#table)
  }

  show(bus, now) {
    const states = { open: 'good', unavailable: 'bad', unknown: '' }
    this.#state.className = 'badge ' + states[bus.state]
    write(this.#state, t('line.state_' + bus.state))
    write(this.#error, bus.error || '')
    write(this.#figures.rate, t('line.per_second', { n: number(bus.rate, 1) }))
    write(this.#figures.utilisation, number(100 * bus.utilisation, bus.utilisation < 0.1 ? 1 : 0) + ' %')
    this.#bar.firstChild.style.setProperty('inline-size', 100 * bus.utilisation + '%')
    write(this.#figures.queue, t('line.of', { n: number(bus.queue), most: number(bus.queue_limit) }))
    write(this.#figures.polls, number(bus.polls.total))
    write(this.#figures.requests, number(bus.requests.total))
    write(this.#figures.errors, number(failures(bus.polls) + failures(bus.requests)))
    write(this.#figures.turned_away, number(bus.denied + bus.refused + bus.expired))
    this.#figures.turned_away.title = t('line.turned_away_of', { denied: bus.denied, refused: bus.refused, expired: bus.expired })
    this.#table.hidden = bus.units.length === 0
    for (const unit of bus.units) this.#unit(unit, now)
  }

  #unit(unit, now) {
    let row = this.#units.get(unit.unit)
    if (!row) {
      const badge = h('span', { class: 'badge' })
      const cells = {}
      const cell = (name, ...content) => cells[name] = h('td', { role: 'cell', class: numeric.has(name) ? 'number' : '', 'data-name': name, 'data-label': t('line.' + name) }, content)
      const element = h('tr', { role: 'row', 'data-unit': unit.unit }, h('th', { scope: 'row', role: 'rowheader', class: 'number', 'data-label': t('line.unit') }, String(unit.unit)),
        cell('devices'), cell('unit_state', badge), cell('rate'), cell('polls'), cell('requests'), cell('reply_time'), cell('errors'))
      this.#units.set(unit.unit, row = { badge, cells })
      const after = [...this.#rows.children].find((other) => Number(other.dataset.unit) > unit.unit)
      this.#rows.insertBefore(element, after || null)
    }
    const [kind, text] = stateOf(unit, now)
    row.badge.className = 'badge ' + kind
    write(row.badge, text)
    write(row.cells.devices, unit.devices.join(t('app.comma')) || '–')
    write(row.cells.rate, number(unit.rate, 1))
    write(row.cells.polls, number(unit.polls.total))
    write(row.cells.requests, number(unit.requests.total))
    write(row.cells.reply_time, unit.latency_ms.count ? t('line.ms', { half: number(unit.latency_ms.mean, unit.latency_ms.mean < 10 ? 1 : 0), almost: number(unit.latency_ms.p95) }) : '–')
    write(row.cells.errors, errorsOf(unit))
  }
}

const numeric = new Set(['unit', 'rate', 'polls', 'requests', 'reply_time'])

function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}

const failures = (counts) => counts.total - counts.good

// stateOf tells whether a unit answers. Nobody waits for one without a device: that it
// once did not answer is no alarm for ever.
function stateOf(unit, now) {
  const answered = Date.parse(unit.answered) || 0
  const failed = Date.parse(unit.failed) || 0
  if (!unit.devices.length && failed > answered) {
    const fresh = Date.parse(unit.resting?.probe) > now
    return [fresh ? 'warn' : '', t('line.failed_ago', { age: ageText(Math.max(0, now - failed)), what: t('line.outcome_' + unit.failure) })]
  }
  if (unit.resting) {
    const wait = Math.max(0, Math.ceil((Date.parse(unit.resting.probe) - now) / 1000))
    return ['bad', t('line.resting', { n: unit.resting.timeouts, seconds: wait })]
  }
  if (failed > answered) return ['warn', t('line.failing', { what: t('line.outcome_' + unit.failure) })]
  return ['good', t('line.answers', { age: ageText(Math.max(0, now - answered)) })]
}

// errorsOf names what went wrong and how often.
function errorsOf(unit) {
  const parts = Object.entries(unit.exceptions).map(([code, n]) => t('line.times', { what: exceptionWords(Number(code)), n: number(n) }))
  for (const kind of ['timeout', 'broken', 'unsent', 'unavailable']) {
    const n = unit.polls[kind] + unit.requests[kind]
    if (n) parts.push(t('line.times', { what: t('line.outcome_' + kind), n: number(n) }))
  }
  return parts.join(t('app.comma')) || '–'
}
