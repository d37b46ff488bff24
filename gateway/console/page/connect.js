// Connect: how an app reaches this gateway. Topics and code with the names of this
// gateway, and a check of the way, step by step.

import { bytes } from './client/modferry.mjs'
import { check, steps } from './check.js'
import { firstRequest } from './compose.js'
import { copy, field, h, replace, select } from './dom.js'
import { kinds, programs } from './programs.js'
import { appName, place } from './snippets.js'
import { t } from './words.js'

export function mount(root, context) {
  const { view, signal } = context
  const chooser = new Chooser(context)
  root.append(h('h1', { class: 'visually-hidden' }, t('tab.connect')), checkCard(context))
  if (view.buses.length > 0) root.append(chooser.element)
  const ends = [context.connection.watch(() => chooser.draw())]
  signal.addEventListener('abort', () => ends.forEach((end) => end()))
}

// copyButton copies what make returns.
function copyButton(context, make, label) {
  const run = async () => {
    try {
      await copy(make())
      context.say(t('app.copied'))
    } catch {
      context.say(t('app.no_copy'), 'bad')
    }
  }
  return h('button', { type: 'button', class: 'small', onclick: run, 'aria-label': label && t('app.copy') + ' ' + label }, t('app.copy'))
}

// ---- the check

const marks = { running: '…', good: '✓', warn: '!', bad: '✕', skipped: '–' }

function checkCard(context) {
  const lines = new Map(steps.map((name) => [name, h('li', { 'data-step': name })]))
  const outcome = h('p', { role: 'status' })
  const list = h('ol', { class: 'steps', hidden: true }, [...lines.values()])
  const report = (name, state, text) => {
    const line = lines.get(name)
    line.dataset.state = state
    replace(line, h('span', { class: 'mark', 'aria-hidden': 'true' }, marks[state]),
      h('div', {}, h('b', {}, t('check.' + name)), h('span', { class: 'visually-hidden' }, ' ' + t('check.state_' + state) + ' '), text && h('p', {}, text)))
  }
  const button = h('button', { type: 'button', class: 'primary', onclick: run }, t('check.start'))
  async function run() {
    button.disabled = true
    list.hidden = false
    outcome.textContent = ''
    for (const name of steps) report(name, 'skipped', '')
    const good = await check(context.view, context.connection.settings || context.store.get('connection'), context.topicsOf, report)
    if (context.signal.aborted) return
    outcome.className = good ? 'good' : 'bad'
    outcome.textContent = t(good ? 'check.all_good' : 'check.stopped')
    button.disabled = false
  }
  return h('div', { class: 'card stack' },
    h('div', { class: 'row between' },
      h('div', {}, h('h2', {}, t('check.title')), h('p', { class: 'soft' }, t('check.lead'))),
      h('div', { class: 'row' }, h('button', { type: 'button', onclick: () => context.settings() }, t('check.change')), button)),
    list, outcome)
}

// ---- topics and code

class Chooser {
  constructor(context) {
    this.context = context
    const { view } = context
    const draw = () => this.draw()
    this.bus = select(view.buses.map((bus) => bus.name), undefined, { onchange: draw })
    const all = view.devices.flatMap((device) => device.readings.map((reading) => [device.name + '/' + reading.name, device.name + ' / ' + reading.name]))
    this.reading = select(all, undefined, { onchange: draw })
    this.client = h('input', { value: context.store.get('connect.app', ''), pattern: '[A-Za-z0-9_\\-]{1,64}', spellcheck: 'false', required: true, oninput: () => this.#name() })
    this.kind = context.store.get('connect.kind', 'miniprogram')
    this.topics = h('div', { class: 'topics' })
    this.code = h('div', { class: 'stack' })
    this.tabs = h('div', { class: 'row kinds', role: 'group', 'aria-label': t('connect.language') }, kinds.map((kind) =>
      h('button', { type: 'button', 'data-kind': kind, onclick: () => { this.kind = kind; this.draw() } }, t('connect.' + kind))))
    this.element = [
      h('div', { class: 'card stack' }, h('h2', {}, t('connect.topics')),
        h('div', { class: 'columns' }, field(t('terminal.bus'), this.bus), all.length > 0 && field(t('connect.reading'), this.reading),
          field(t('connect.client'), this.client, t('connect.client_hint'))),
        this.topics),
      h('div', { class: 'card stack' }, h('h2', {}, t('connect.code')), this.tabs, this.code)
    ].flat()
    this.element = h('div', { class: 'stack' }, this.element)
  }

  // #name keeps what the person calls the app.
  #name() {
    if (this.client.checkValidity()) this.context.store.put('connect.app', this.client.value)
    this.draw()
  }

  // chosen is all that the topics and the code are made of.
  chosen() {
    const { view, connection } = this.context
    const bus = view.buses.find((one) => one.name === this.bus.value)
    const [deviceName, readingName] = this.reading.value.split('/')
    const device = view.devices.find((one) => one.name === deviceName)
    const client = this.client.checkValidity() ? this.client.value : appName(connection.settings)
    const asked = firstRequest(view)
    return {
      view, bus, device, client, reading: device?.readings.find((one) => one.name === readingName),
      settings: connection.settings || { url: place(view).url }, topics: this.context.topicsOf(bus, client),
      frame: bytes(asked.bus === bus.name ? asked.text : '01 03 00 00 00 01 84 0A'), fallback: asked.bus !== bus.name
    }
  }

  draw() {
    if (this.context.view.buses.length === 0) return
    if (!this.context.store.get('connect.app') && document.activeElement !== this.client) this.client.value = appName(this.context.connection.settings)
    const chosen = this.chosen()
    this.context.store.put('connect.kind', this.kind)
    replace(this.topics, h('dl', {}, this.#rows(chosen).map(([name, text]) => [
      h('dt', {}, name), h('dd', {}, h('code', {}, text), copyButton(this.context, () => text, name))
    ])))
    for (const button of this.tabs.children) button.setAttribute('aria-pressed', String(button.dataset.kind === this.kind))
    const { text, rows } = programs[this.kind](chosen)
    replace(this.code, h('p', { class: 'soft' }, t('connect.about_' + this.kind)),
      rows && h('div', { class: 'topics' }, h('dl', {}, rows.map(([name, value]) => [
        h('dt', {}, t('connect.' + name)), h('dd', {}, h('code', {}, value), copyButton(this.context, () => value, t('connect.' + name)))
      ]))),
      text && h('div', { class: 'code' }, copyButton(this.context, () => text, t('connect.code')), h('pre', { tabindex: '0' }, h('code', {}, text))))
  }

  #rows({ view, bus, device, reading, topics, settings }) {
    const rows = [
      [t('connect.broker'), place(view).url], [t('connect.websocket'), settings.url || '–'], [t('connect.status'), view.prefix + '/status'],
      [t('connect.request'), topics.request], [t('connect.response'), topics.response], [t('connect.error'), topics.error], [t('connect.bus_status'), bus.status]
    ]
    if (reading) rows.push([t('connect.reading'), reading.topic])
    if (device) rows.push([t('connect.device_status'), device.status])
    if (reading?.set) rows.push([t('connect.set'), reading.set.topic], [t('connect.set_result'), reading.set.result])
    return rows
  }
}
