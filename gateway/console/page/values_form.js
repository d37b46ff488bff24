// The values of a virtual device: a slider and a field for each number, and whether it
// moves by itself or is held.

import { h, replace, select } from './dom.js'
import { t } from './words.js'

const PATIENCE = 120 // ms between two values while a slider moves
const REST = 1500 // ms after a change, in which what comes does not move what the person sees

// Usual ranges of what has no limits of its own, by unit of measurement.
const USUAL = { '°C': [-40, 125], '°F': [-40, 260], '%': [0, 100], '%RH': [0, 100], V: [0, 500], A: [0, 100], W: [0, 10000], Hz: [45, 65], ppm: [0, 5000], hPa: [800, 1200], Pa: [-500, 500] }

export class Values {
  element
  #control
  #doing
  #unit = null
  #rows = new Map()
  #choice = h('select', { class: 'quiet', 'aria-label': '' })
  #title = h('h2', {})
  #about = h('small', { class: 'where' })
  #list = h('div', { class: 'values' })
  #known = ''

  constructor(control, doing) {
    this.#control = control
    this.#doing = doing
    this.#choice.setAttribute('aria-label', t('device.choice'))
    this.#choice.addEventListener('change', () => this.choose(this.#choice.value))
    this.element = h('section', { class: 'card', 'aria-label': t('device.values') },
      h('div', { class: 'row' }, this.#title, this.#choice, this.#about), this.#list)
  }

  // choose shows the device of a unit.
  choose(unit) {
    if (!/^\d+$/.test(unit ?? '') || Number(unit) === this.#unit) return
    this.#unit = Number(unit)
    this.#known = ''
  }

  async look(devices) {
    const device = devices.find((one) => one.unit === this.#unit) || devices[0]
    if (!device) return
    const known = JSON.stringify([devices, device.unit])
    if (known !== this.#known) {
      this.#known = known
      this.#unit = device.unit
      this.#head(devices, device)
      this.#rows.clear()
      this.#list.replaceChildren()
    }
    const { values } = await this.#control.get('devices/' + device.unit + '/values')
    for (const value of values) this.#show(value)
  }

  #head(devices, device) {
    this.#title.textContent = t('device.unit', { unit: device.unit })
    this.#about.textContent = [device.title, device.baud && t('device.baud', { baud: device.baud })].filter(Boolean).join(' · ')
    this.#choice.hidden = devices.length < 2
    replace(this.#choice, devices.map((one) => h('option', { value: one.unit }, t('device.unit', { unit: one.unit }))))
    this.#choice.value = device.unit
  }

  #show(value) {
    let row = this.#rows.get(value.name)
    if (!row) {
      row = new Row(value, this)
      this.#rows.set(value.name, row)
      this.#list.append(row.element)
    }
    row.show(value)
  }

  // put gives a value; release lets it move again.
  put(name, value) {
    return this.#doing(() => this.#control.ask('PUT', 'devices/' + this.#unit + '/values/' + encodeURIComponent(name), value))
  }

  release(name) {
    return this.#doing(() => this.#control.ask('DELETE', 'devices/' + this.#unit + '/values/' + encodeURIComponent(name)))
  }
}

class Row {
  element
  #name
  #owner
  #kind
  #slider = null
  #input
  #badge = h('span', { class: 'badge' })
  #release
  #changed = -Infinity
  #waiting = 0
  #next

  constructor(value, owner) {
    this.#name = value.name
    this.#owner = owner
    this.#kind = kindOf(value.value)
    const [min, max] = rangeOf(value)
    const label = value.name.replaceAll('_', ' ')
    if (this.#kind === 'number' && max !== undefined) {
      this.#slider = h('input', { type: 'range', min, max, step: stepOf(value, min, max), 'aria-label': label, oninput: () => this.#slid() })
    }
    this.#input = this.#kind === 'boolean'
      ? select([['true', t('device.on')], ['false', t('device.off')]], undefined, { 'aria-label': t('device.value_of', { name: label }) })
      : h('input', { type: this.#kind === 'number' ? 'number' : 'text', step: 'any', class: 'mono', 'aria-label': t('device.value_of', { name: label }), autocomplete: 'off' })
    this.#input.addEventListener('change', () => this.#typed())
    this.#release = h('button', { class: 'small', onclick: () => owner.release(this.#name), 'aria-label': t('device.release_of', { name: label }) }, t('device.release'))
    this.element = h('div', { class: 'held', 'data-value': value.name },
      h('span', { class: 'name' }, label, h('small', { class: 'mono' }, value.table + ' ' + value.address)),
      this.#slider || h('span', {}), h('span', { class: 'entry' }, this.#input, h('span', { class: 'of' }, value.unit || '')),
      this.#badge, this.#release)
  }

  show(value) {
    this.#badge.textContent = value.pinned ? t('device.held') : value.moves ? t('device.moves') : ''
    this.#badge.className = 'badge ' + (value.pinned ? 'warn' : '')
    this.#badge.hidden = !value.pinned && !value.moves
    this.#release.hidden = !value.pinned
    if (performance.now() - this.#changed < REST || this.#waiting) return
    if (this.#slider && document.activeElement !== this.#slider || this.#slider && !value.pinned) this.#slider.value = value.value ?? 0
    if (document.activeElement !== this.#input) this.#input.value = written(value.value)
  }

  // slid sends the slider's place, now and then while it moves, and at the end.
  #slid() {
    this.#changed = performance.now()
    this.#input.value = this.#slider.value
    this.#next = this.#slider.valueAsNumber
    if (this.#waiting) return
    this.#waiting = setTimeout(() => {
      this.#waiting = 0
      this.#owner.put(this.#name, this.#next)
    }, PATIENCE)
  }

  #typed() {
    this.#changed = performance.now()
    const value = read(this.#input.value, this.#kind)
    if (this.#slider && typeof value === 'number') this.#slider.value = value
    this.#owner.put(this.#name, value)
  }
}

const kindOf = (value) => value === null ? 'number' : Array.isArray(value) ? 'list' : typeof value

const written = (value) => value === null ? '' : Array.isArray(value) ? value.join(' ') : String(value)

// read turns what was typed into a value; nothing is a sensor without one.
function read(text, kind) {
  if (kind === 'boolean') return text === 'true'
  if (kind === 'string') return text
  if (text.trim() === '') return null
  if (kind === 'number') return Number(text)
  return text.trim().split(/[\s,;]+/).map((part) => ({ true: true, false: false }[part] ?? (Number.isNaN(Number(part)) ? part : Number(part))))
}

function rangeOf(value) {
  if (value.min !== undefined && value.max !== undefined) return [value.min, value.max]
  const usual = USUAL[value.unit]
  if (!usual || typeof value.value !== 'number') return []
  return [Math.min(usual[0], value.value), Math.max(usual[1], value.value)]
}

const stepOf = (value, min, max) => value.step || (max - min > 100 ? 1 : 0.1)
