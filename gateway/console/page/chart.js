// Charts of chosen readings: one for each unit of measurement, drawn by uPlot.

/* global uPlot */

import { h, replace, select } from './dom.js'
import { t, time } from './words.js'
import { valueText } from './values.js'

export const MAX_LINES = 8
const RANGES = [['600', 'readings.ten_minutes'], ['3600', 'readings.hour'], ['86400', 'readings.day']] // seconds
const HEIGHT = 190
const SHORTEST = 60 // seconds that are shown at least

export class Chart {
  element
  #context
  #rowOf
  #history
  #chosen = []
  #range
  #plots = []
  #body = h('div', { class: 'plots' })
  #seen = 0

  constructor(context, rowOf, history) {
    this.#context = context
    this.#rowOf = rowOf
    this.#history = history
    this.#range = context.store.get('readings.range', RANGES[0][0])
    const ranges = select(RANGES.map(([seconds, key]) => [seconds, t(key)]), this.#range, {
      class: 'quiet', 'aria-label': t('readings.range'), onchange: (event) => this.#setRange(event.target.value)
    })
    this.element = h('section', { class: 'card chart', 'aria-label': t('readings.chart') },
      h('div', { class: 'row' }, h('h2', {}, t('readings.chart')), ranges), this.#body)
    this.#follow()
  }

  // follow draws anew when the width or the colours change.
  #follow() {
    let width = 0
    const sized = new ResizeObserver(([entry]) => {
      const now = Math.floor(entry.contentRect.width)
      if (now === width) return
      width = now
      for (const { plot } of this.#plots) if (width > 0) plot.setSize({ width, height: HEIGHT })
    })
    sized.observe(this.#body)
    const themed = new MutationObserver(() => this.draw())
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw(), { signal: this.#context.signal })
    this.#context.signal.addEventListener('abort', () => {
      sized.disconnect()
      themed.disconnect()
    })
  }

  #setRange(seconds) {
    this.#range = seconds
    this.#context.store.put('readings.range', seconds)
    this.draw()
  }

  choose(topics) {
    this.#chosen = topics
    this.draw()
  }

  // toggle adds or removes a reading and returns what is chosen then; null if there is no room.
  toggle(topic) {
    if (this.#chosen.includes(topic)) this.#chosen = this.#chosen.filter((other) => other !== topic)
    else if (this.#chosen.length >= MAX_LINES) return null
    else this.#chosen = [...this.#chosen, topic]
    return this.#chosen
  }

  // draw makes all charts anew.
  draw() {
    this.close()
    if (!this.element.isConnected || this.element.closest('[hidden]')) return
    const groups = new Map()
    for (const [i, topic] of this.#chosen.entries()) {
      const row = this.#rowOf(topic)
      const unit = row.reading.unit
      if (!groups.has(unit)) groups.set(unit, [])
      groups.get(unit).push({ row, index: i })
    }
    replace(this.#body, !groups.size && h('p', { class: 'empty' }, t('readings.choose')))
    for (const [unit, lines] of groups) this.#plots.push(this.#plot(unit, lines))
    this.#seen = 0
    this.update()
  }

  #plot(unit, lines) {
    const names = lines.map(({ row, index }) => {
      const value = h('span', { class: 'mono' })
      const title = row.reading.title || row.reading.name
      const several = this.#context.view.devices.length > 1
      return { value, title, row, element: h('span', { class: 'line' }, h('span', { class: 'swatch line-' + index, 'aria-hidden': 'true' }), several ? row.device.name + ' ' + title : title, value) }
    })
    const canvas = h('div', { role: 'img', 'aria-label': t('readings.chart_of', { readings: names.map((name) => name.title).join(t('app.comma')) }) })
    this.#body.append(h('figure', {}, h('figcaption', { class: 'row' }, unit && h('small', {}, unit), names.map((name) => name.element)), canvas))
    const colours = names.map(({ element }) => getComputedStyle(element.firstChild).backgroundColor)
    const plot = new uPlot(optionsOf(this.#body.clientWidth, colours, names, getComputedStyle(this.element)), [[], ...lines.map(() => [])], canvas)
    return { plot, lines, names }
  }

  // expire has the next update show what came, however little time has passed.
  expire() {
    this.#seen = 0
  }

  // update shows what came since.
  update() {
    if (!this.#plots.length) return
    const now = Date.now() / 1000
    const range = Number(this.#range)
    const seen = Math.floor(now / Math.min(2, range / 600)) // what changes less than a pixel waits
    if (seen === this.#seen) return
    this.#seen = seen
    for (const { plot, lines, names } of this.#plots) {
      const tables = lines.map(({ row }) => this.#history.series(row.topic)?.since(now - range) || [[], []])
      const first = Math.min(now - SHORTEST, ...tables.map(([times]) => times[0] ?? now))
      plot.setData(tables.length > 1 ? uPlot.join(tables, tables.map(() => [2])) : tables[0], false)
      plot.setScale('x', { min: first, max: now })
      if (!(plot.cursor.left >= 0)) for (const { value, row } of names) write(value, valueText(row))
    }
  }

  close() {
    for (const { plot } of this.#plots) plot.destroy()
    this.#plots = []
  }
}

function optionsOf(width, colours, names, style) {
  const axis = { stroke: style.color, grid: { stroke: style.borderTopColor, width: 1 }, ticks: { show: false }, font: '12px ' + style.fontFamily }
  return {
    width: Math.max(200, Math.floor(width)), height: HEIGHT, padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: spread } },
    axes: [
      { ...axis, size: 28, space: 90, values: (_, moments) => moments.map((moment) => clock(moment, moments)) },
      { ...axis, size: 48 }
    ],
    series: [{}, ...colours.map((stroke) => ({ stroke, width: 1.75, spanGaps: false, points: { show: (_, i, from, to) => to - from < 2 } }))],
    hooks: { setCursor: [(plot) => tell(plot, names)] }
  }
}

// spread leaves room around a value that does not change.
function spread(_, low, high) {
  if (low === null) return [0, 1]
  const room = Math.max((high - low) * 0.1, Math.abs(high) * 0.002, 0.05)
  return [low - room, high + room]
}

function clock(moment, moments) {
  const text = time(moment * 1000)
  return moments.length > 1 && moments[1] - moments[0] < 60 ? text : text.replace(/:\d\d$/, '')
}

// tell shows the values under the cursor, or else the last.
function tell(plot, names) {
  const { idx } = plot.cursor
  names.forEach(({ value, row }, i) => {
    const at = idx === null || idx === undefined ? row.content : plot.data[i + 1][idx]
    write(value, valueText({ content: at, decimals: row.decimals }))
  })
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
