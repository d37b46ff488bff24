// A request as fields and as hex: what changes in one follows in the other.

import { checkRequest, hex, isWrite, parseRequest, request } from './client/modferry.mjs'
import { field, h, select } from './dom.js'
import { functionText } from './explain.js'
import { language, t } from './words.js'

const FUNCTIONS = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23]
const quantities = [1, 2, 3, 4, 23]
const written = [5, 6, 15, 16, 22, 23]

// Composer is a form with a request. frame is the whole frame with its CRC, null as long
// as there is none; changed() is called when it may be another one.
export class Composer {
  frame = null

  constructor(view, changed) {
    this.view = view
    this.changed = changed
    const typed = () => this.#fromFields()
    const number = (name, attributes) => h('input', { name, inputmode: 'numeric', spellcheck: 'false', autocomplete: 'off', oninput: typed, ...attributes })
    this.bus = select(view.buses.map((bus) => bus.name), undefined, { name: 'bus', onchange: () => this.#done() })
    this.unit = number('unit', { list: 'terminal-units' })
    this.units = h('datalist', { id: 'terminal-units' }, [...new Set(view.devices.map((d) => d.unit))].map((unit) => h('option', { value: unit })))
    this.function = select(FUNCTIONS.map((code) => [code, String(code).padStart(2, '0') + '  ' + functionText(code)]), 3, { name: 'function', onchange: typed })
    this.address = number('address')
    this.quantity = number('quantity')
    this.writeAddress = number('write_address')
    this.values = number('values', { inputmode: 'text' })
    this.hex = h('input', {
      name: 'hex', class: 'mono hex', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'characters', 'aria-describedby': 'terminal-check',
      oninput: () => this.#fromHex(), onchange: () => this.#fill()
    })
    this.message = h('p', { id: 'terminal-check', class: 'check-line', role: 'status' })
    this.fields = {
      quantity: field(t('terminal.quantity'), this.quantity), write: field(t('terminal.write_address'), this.writeAddress),
      values: field(t('terminal.values'), this.values)
    }
    this.element = h('div', { class: 'compose' },
      h('div', { class: 'compose-fields' },
        field(t('terminal.bus'), this.bus), field(t('terminal.unit'), this.unit), this.units, field(t('terminal.function'), this.function),
        field(t('terminal.address'), this.address), this.fields.quantity, this.fields.write, this.fields.values),
      field(t('terminal.hex'), this.hex), this.message)
  }

  // busNow is the chosen bus of the view.
  get busNow() {
    return this.view.buses.find((bus) => bus.name === this.bus.value)
  }

  // take shows a request; bus may be left out.
  take(text, bus) {
    if (bus && this.view.buses.some((one) => one.name === bus)) this.bus.value = bus
    this.hex.value = text
    this.#fromHex()
    this.#fill()
  }

  // #fill writes the CRC into the hex, when the person has finished typing.
  #fill() {
    if (this.frame) this.hex.value = hex(this.frame, ' ')
  }

  #fromHex() {
    const check = checkRequest(this.hex.value)
    this.frame = check.crc === 'bad' ? null : check.frame
    const asked = check.frame && parseRequest(check.frame)
    if (asked && FUNCTIONS.includes(asked.function)) this.#show(asked)
    this.#say(check)
    this.#done()
  }

  #show(asked) {
    this.unit.value = asked.unit
    this.function.value = asked.function
    this.address.value = asked.address
    if (asked.quantity !== undefined) this.quantity.value = asked.quantity
    if (asked.write_address !== undefined) this.writeAddress.value = asked.write_address
    if (asked.values) this.values.value = asked.values.map(Number).join(' ')
  }

  #fromFields() {
    const code = Number(this.function.value)
    const asked = { unit: whole(this.unit), function: code, address: whole(this.address) }
    if (quantities.includes(code)) asked.quantity = whole(this.quantity)
    if (code === 23) asked.write_address = whole(this.writeAddress)
    if (written.includes(code)) asked.values = valuesOf(this.values.value)
    try {
      this.frame = request(asked)
      this.hex.value = hex(this.frame, ' ')
      this.#say(checkRequest(this.hex.value))
    } catch (error) {
      this.frame = null
      this.message.className = 'check-line bad'
      this.message.textContent = language() === 'en' ? error.message : t('terminal.fields_wrong')
    }
    this.#done()
  }

  #say(check) {
    const crc = check.frame ? hex(check.frame.subarray(-2), ' ') : ''
    const text = {
      good: t('terminal.crc_good'), missing: t('terminal.crc_added', { crc }), bad: t('terminal.crc_bad', { crc })
    }[check.frame && check.crc]
    this.message.className = 'check-line ' + (check.crc === 'bad' || check.position !== undefined || check.crc && !check.frame ? 'bad' : check.frame ? 'good' : 'soft')
    this.message.textContent = text || (language() === 'en' ? sentence(check.message)
      : check.position !== undefined ? t('terminal.not_hex', { n: check.position + 1 }) : t(check.crc ? 'terminal.not_allowed' : 'terminal.unfinished'))
  }

  #done() {
    const code = Number(this.function.value)
    this.fields.quantity.hidden = !quantities.includes(code)
    this.fields.values.hidden = !written.includes(code)
    this.fields.write.hidden = code !== 23
    this.changed()
  }

  // writes tells whether the request may change the device.
  get writes() {
    return this.frame !== null && isWrite(this.frame[1])
  }
}

const sentence = (text) => text && text[0].toUpperCase() + text.slice(1)

// whole reads a number, decimal or with 0x; anything else is refused by request().
const whole = (input) => input.value.trim() === '' ? NaN : Number(input.value)

function valuesOf(text) {
  const known = { on: 1, off: 0, true: 1, false: 0 }
  return text.trim().split(/[\s,;]+/).filter(Boolean).map((word) => known[word.toLowerCase()] ?? Number(word))
}

// firstRequest is what to begin with: the readings of the first device that lie together.
export function firstRequest(view) {
  for (const device of view.devices) {
    const first = device.readings.find((reading) => reading.function)
    if (!first) continue
    let end = first.address + first.quantity
    for (const reading of device.readings) {
      if (reading.function === first.function && reading.address === end) end += reading.quantity
    }
    return { bus: device.bus, text: hex(request({ unit: device.unit, function: first.function, address: first.address, quantity: Math.min(end - first.address, 125) }), ' ') }
  }
  return { bus: view.buses[0]?.name, text: '01 03 00 00 00 01 84 0A' }
}
