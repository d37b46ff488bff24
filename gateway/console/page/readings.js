// Readings: the values of all devices as they come, their age and quality, charts, and
// fields to set what may be set. Messages change a state only; what of it is seen is
// written into the document once in a frame, however many messages came.

import { h } from './dom.js'
import { t } from './words.js'
import { History } from './history.js'
import { Chart, MAX_LINES } from './chart.js'
import { setForm } from './set.js'
import { ageText, understand, valueText } from './values.js'

const FILTER_FROM = 12 // readings, from which on they can be searched
const DEFAULT_LINES = 2 // readings in the chart at first
const TICK = 1000 // ms, for ages and charts

export function mount(root, context) {
  const panel = new Panel(root, context)
  return { show: (path) => panel.show(path), hide: () => panel.hide() }
}

class Panel {
  #root
  #context
  #history
  #rows = new Map() // by topic
  #devices = []
  #dirty = new Set()
  #frame = 0
  #chart
  frames = 0 // in which something was written; for tests

  constructor(root, context) {
    this.#root = root
    this.#context = context
    root.panel = this
    this.#history = new History(context.view.prefix)
    this.#chart = new Chart(context, (topic) => this.#rows.get(topic), this.#history)
    this.#draw()
    const timer = setInterval(() => this.#tick(), TICK)
    this.#history.open().then(() => this.#chart.draw())
    const end = this.#listen()
    context.signal.addEventListener('abort', () => {
      clearInterval(timer)
      end()
      this.#history.close()
      this.#chart.close()
    })
  }

  #draw() {
    const { devices } = this.#context.view
    const count = devices.reduce((n, device) => n + device.readings.length, 0)
    this.#root.append(h('h1', {}, t('tab.readings')), count >= FILTER_FROM ? this.#search() : '')
    if (!count) {
      this.#root.append(h('p', { class: 'card empty' }, t('readings.none')))
      return
    }
    const cards = devices.filter((device) => device.readings.length).map((device) => this.#device(device))
    const chosen = this.#context.store.get('readings.chart', this.#usual()).filter((topic) => this.#rows.has(topic)).slice(0, MAX_LINES)
    for (const topic of chosen) this.#rows.get(topic).toggle.setAttribute('aria-pressed', 'true')
    this.#root.append(this.#chart.element, h('div', { class: 'stack' }, cards))
    this.#chart.choose(chosen)
  }

  // usual returns what is charted before anybody chose.
  #usual() {
    return [...this.#rows.values()].filter((row) => isNumeric(row.reading)).slice(0, DEFAULT_LINES).map((row) => row.topic)
  }

  #search() {
    const find = (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/)
      for (const { card, rows, text } of this.#devices) {
        let some = false
        for (const row of rows) some = !(row.element.hidden = !words.every((word) => (text + ' ' + row.text).includes(word))) || some
        card.hidden = !some
      }
    }
    return h('input', { type: 'search', class: 'search', placeholder: t('readings.search'), 'aria-label': t('readings.search'), oninput: find })
  }

  #device(device) {
    const state = h('span', { class: 'badge' }, t('readings.unknown'))
    const rows = device.readings.map((reading) => this.#row(device, reading))
    const card = h('section', { class: 'card device', 'data-device': device.name, 'aria-label': device.title || device.name },
      h('div', { class: 'row' }, h('h2', {}, device.title || device.name), device.title && device.title !== device.name && h('small', { class: 'mono' }, device.name), state,
        h('small', { class: 'where' }, [device.model, t('readings.unit', { bus: device.bus, unit: device.unit })].filter(Boolean).join(' · '))),
      h('div', { class: 'readings' + (device.readings.some((reading) => reading.set) ? ' settable' : ''), role: 'list' }, rows.map((row) => row.element)))
    this.#devices.push({ device, card, state, rows, text: (device.name + ' ' + device.title).toLowerCase() })
    return card
  }

  #row(device, reading) {
    const title = reading.title || reading.name
    const row = {
      topic: reading.topic, reading, device, text: (reading.name + ' ' + title).toLowerCase(),
      value: document.createTextNode('–'), age: document.createTextNode(''), badge: h('span', { class: 'badge' }, ''),
      quality: '', time: 0, shown: {}, decimals: 0
    }
    row.toggle = h('button', {
      class: 'plot', 'aria-pressed': 'false', 'aria-label': t('readings.plot', { reading: title }), title: t('readings.plot', { reading: title }), onclick: () => this.#togglePlot(row)
    }, h('span', { 'aria-hidden': 'true' }))
    row.element = h('div', { class: 'reading', role: 'listitem', 'data-reading': device.name + '/' + reading.name },
      row.toggle,
      h('span', { class: 'name' }, title),
      h('span', { class: 'value' }, row.value, reading.unit && h('span', { class: 'of' }, ' ' + reading.unit)),
      row.badge,
      h('span', { class: 'age' }, row.age),
      reading.set && this.#setter(row, title))
    this.#rows.set(row.topic, row)
    return row
  }

  #setter(row, title) {
    let form = null
    const button = h('button', { class: 'small', 'aria-expanded': 'false', 'aria-label': t('readings.set_of', { reading: title }) }, t('readings.set'))
    button.addEventListener('click', () => {
      form ??= row.element.appendChild(setForm(this.#context, row, title))
      form.hidden = button.getAttribute('aria-expanded') === 'true'
      button.setAttribute('aria-expanded', String(!form.hidden))
      if (!form.hidden) form.querySelector('input, select').focus()
    })
    return button
  }

  #togglePlot(row) {
    const chosen = this.#chart.toggle(row.topic)
    if (!chosen) return this.#context.say(t('readings.full', { n: MAX_LINES }))
    row.toggle.setAttribute('aria-pressed', String(chosen.includes(row.topic)))
    this.#context.store.put('readings.chart', chosen)
    this.#chart.draw()
  }

  // ---- what comes

  #listen() {
    const { connection, view } = this.#context
    const ends = this.#devices.map(({ device, state }) => connection.subscribe(view.prefix + '/device/' + device.name + '/+', (message) => {
      if (message.topic === device.status) this.#status(state, message.text)
      else this.take(message)
    }))
    ends.push(connection.subscribe(view.prefix + '/history', (message) => this.#late(message)))
    return () => ends.forEach((end) => end())
  }

  #status(state, text) {
    state.textContent = t(text === 'online' ? 'readings.online' : 'readings.offline')
    state.className = 'badge ' + (text === 'online' ? 'good' : 'bad')
  }

  // take keeps what a message says, to be written in the next frame.
  take(message) {
    const row = this.#rows.get(message.topic)
    if (!row) return
    Object.assign(row, understand(message, row.device.payload))
    const series = isNumeric(row.reading) && this.#history.series(row.topic)
    if (series && row.quality === 'good' && plottable(row.content) && row.time) this.#add(series, row)
    else if (series && row.quality !== 'good') series.add(message.at / 1000, null)
    this.#dirty.add(row)
    this.#schedule()
  }

  #add(series, row) {
    series.add(row.time / 1000, Number(row.content))
    if (series.length <= 2) this.#chart.expire() // the first ones are shown at once
  }

  // late takes readings of while the broker was away; those that the series has not passed.
  #late(message) {
    const prefix = this.#context.view.prefix + '/device/'
    for (const { device, reading, value, quality, time } of Array.isArray(message.json) ? message.json : []) {
      const row = this.#rows.get(prefix + device + '/' + reading)
      if (row && quality === 'good' && plottable(value)) this.#history.series(row.topic)?.add(Date.parse(time) / 1000, Number(value))
    }
  }

  // samples returns how many numbers of a topic are kept; for tests.
  samples(topic) {
    return this.#history.series(topic).length
  }

  // ---- what is seen

  #schedule() {
    if (!this.#frame && !this.#root.hidden) this.#frame = requestAnimationFrame(() => this.#write())
  }

  #write() {
    this.#frame = 0
    this.frames++
    const now = Date.now()
    for (const row of this.#dirty) writeRow(row, now)
    this.#dirty.clear()
    this.#chart.update()
  }

  #tick() {
    if (this.#root.hidden || document.hidden) return
    for (const row of this.#rows.values()) if (row.time && !row.element.hidden) this.#dirty.add(row)
    this.#schedule()
  }

  show() {
    this.#tick()
    this.#chart.draw()
  }

  hide() {
    this.#history.save()
  }
}

// isNumeric tells whether a reading has values that a chart can show, as far as that is
// known before the first.
function isNumeric({ type, set, quantity }) {
  const registers = Number((/(16|32|64)$/.exec(type) || [])[1]) / 16 || 1
  return type !== 'string' && !type.startsWith('time') && !(set && set.names) && quantity <= registers
}

const plottable = (value) => typeof value === 'number' || typeof value === 'boolean'

function writeRow(row, now) {
  const text = valueText(row)
  const age = row.time ? ageText(Math.max(0, now - row.time)) : ''
  const { shown } = row
  if (shown.text !== text) row.value.data = shown.text = text
  if (shown.age !== age) row.age.data = shown.age = age
  const plain = row.content === null || row.content === undefined || plottable(row.content)
  if (shown.plain !== plain) row.toggle.hidden = !(shown.plain = plain)
  if (shown.quality !== row.quality) {
    shown.quality = row.quality
    row.badge.textContent = t('readings.' + (row.quality || 'good'))
    row.badge.className = 'badge ' + ({ good: 'good', stale: 'warn' }[row.quality] || 'bad')
  }
}
