// Faults of the virtual devices: those there are, and a form for another.

import { h, field, replace, select } from './dom.js'
import { number, t } from './words.js'

// What can go wrong, by the key of the control, and what must be said of it: the fields
// [key, usual, attributes] and how a fault is made of them.
const KINDS = {
  drop_reply: { make: () => ({ drop: 'reply' }) },
  drop_request: { make: () => ({ drop: 'request' }) },
  exception: { fields: [['code', 6, { type: 'number', min: 1, max: 255 }]], make: (f) => ({ exception: Number(f.code) }) },
  delay: { fields: [['time', '500ms']], make: (f) => ({ delay: f.time }) },
  bad_check: { make: () => ({ bad_check: true }) },
  truncate: { fields: [['bytes', 4, { type: 'number', min: 1, max: 513 }]], make: (f) => ({ truncate: Number(f.bytes) }) },
  noise: {
    fields: [['before', 3, { type: 'number', min: 0, max: 1024 }], ['behind', 0, { type: 'number', min: 0, max: 1024 }], ['hex', '']],
    make: (f) => ({ noise: only({ before: Number(f.before), after: Number(f.behind), bytes: f.hex }) })
  },
  drip: { fields: [['bytes', 1, { type: 'number', min: 1, max: 1024 }], ['each', '20ms']], make: (f) => ({ drip: { bytes: Number(f.bytes), every: f.each } }) },
  duplicate: { fields: [['copies', 1, { type: 'number', min: 1, max: 100 }]], make: (f) => ({ duplicate: Number(f.copies) }) },
  echo: { make: () => ({ echo: true }) },
  wrong_unit: { fields: [['other_unit', 9, { type: 'number', min: 1, max: 255 }]], make: (f) => ({ wrong_unit: Number(f.other_unit) }) },
  wrong_transaction: { fields: [['added', 1, { type: 'number', min: 1, max: 65535 }]], make: (f) => ({ wrong_transaction: Number(f.added) }) },
  short: { fields: [['registers', 1, { type: 'number', min: 1, max: 125 }]], make: (f) => ({ short: Number(f.registers) }) },
  reply: { fields: [['hex', '04 02 01 31']], make: (f) => ({ reply: f.hex }) },
  raw: { fields: [['hex', 'FF 00']], make: (f) => ({ raw: f.hex }) },
  close: { make: () => ({ close: true }) }
}

// Which requests, beyond kind and how often: plain texts, each left out if it is empty.
const MORE = ['name', 'units', 'addresses', 'quantities', 'faces', 'count', 'after', 'for', 'seed']
const NUMBERS = ['count', 'seed']
const LISTS = ['units', 'addresses', 'quantities', 'faces']

export class Faults {
  element
  #control
  #doing
  #list = h('ul', { class: 'faults' })
  #shown = ''
  #form

  constructor(control, doing) {
    this.#control = control
    this.#doing = doing
    this.#form = new Form((fault) => doing(async () => { await control.ask('POST', 'faults', fault) }))
    const clear = h('button', { class: 'small', onclick: () => doing(() => control.ask('DELETE', 'faults')) }, t('device.remove_all'))
    this.element = h('section', { class: 'card', 'aria-label': t('device.faults') },
      h('div', { class: 'row head' }, h('h2', {}, t('device.faults')), clear), this.#list, this.#form.element)
    this.clear = clear
  }

  async look() {
    const { faults } = await this.#control.get('faults')
    this.clear.hidden = faults.length < 2
    const shown = JSON.stringify(faults)
    if (shown === this.#shown) return
    this.#shown = shown
    const focus = document.activeElement?.closest('.faults li')?.dataset.fault
    replace(this.#list, faults.length ? faults.map((state) => this.#item(state)) : h('li', { class: 'soft' }, t('device.no_faults')))
    if (focus) this.#list.querySelector('[data-fault="' + CSS.escape(focus) + '"] button')?.focus()
  }

  #item({ fault, matched, applied, spent }) {
    const remove = h('button', {
      class: 'small', 'aria-label': t('device.remove_of', { name: fault.name }), onclick: () => this.#doing(() => this.#control.ask('DELETE', 'faults/' + encodeURIComponent(fault.name)))
    }, t('device.remove'))
    return h('li', { 'data-fault': fault.name },
      h('span', {}, h('b', {}, fault.name), ' ', h('span', { class: 'mono soft' }, inWords(fault))),
      h('span', { class: 'badge ' + (spent ? '' : applied ? 'warn' : '') }, spent ? t('device.spent') : t('device.applied', { n: number(applied), of: number(matched) })),
      remove)
  }
}

// inWords writes a fault as the configuration does.
function inWords({ name, ...rest }) {
  const write = (value) => Array.isArray(value) ? value.map(write).join(', ') : typeof value === 'object' ? '{' + inWords(value) + '}' : String(value)
  return Object.entries(rest).map(([key, value]) => key + ': ' + write(value)).join(', ')
}

// Form makes a fault.
class Form {
  element
  #kind
  #functions
  #often
  #times
  #fields = {}
  #more = {}
  #also
  #own = h('div', { class: 'columns' })

  constructor(add) {
    this.#kind = select(Object.keys(KINDS).map((kind) => [kind, t('fault.' + kind)]), 'drop_reply', { onchange: () => this.#draw() })
    this.#functions = select([['', t('device.all_functions')], ['read', t('device.reads')], ['write', t('device.writes')], ...[1, 2, 3, 4, 5, 6, 15, 16, 22, 23].map((code) => [code, t('device.function', { code })])], '')
    this.#often = select(['always', 'every', 'nth', 'probability'].map((name) => [name, t('device.often_' + name)]), 'always', { onchange: () => this.#draw() })
    this.#times = h('input', { type: 'number', step: 'any', min: 0, value: 2 })
    this.#also = h('input', { type: 'checkbox' })
    const more = MORE.map((name) => field(t('device.' + name), this.#more[name] = h('input', {
      class: name === 'name' ? '' : 'mono', autocomplete: 'off', placeholder: { units: '1, 4-8', addresses: '0x0100-0x01FF', quantities: '1-125', faces: 'tcp, pty', after: '30s', for: '1m', count: '5', seed: '7' }[name]
    })))
    this.element = h('form', { class: 'fault', 'aria-label': t('device.new_fault') },
      h('h3', {}, t('device.new_fault')),
      h('div', { class: 'columns' }, field(t('device.what'), this.#kind), field(t('device.which'), this.#functions), field(t('device.often'), this.#often), this.#timesField = field(t('device.often_number'), this.#times)),
      this.#own,
      h('details', {}, h('summary', {}, t('device.more')), h('div', { class: 'columns' }, more), h('label', { class: 'check' }, this.#also, h('span', {}, t('device.also')))),
      h('div', { class: 'row' }, h('button', { class: 'primary' }, t('device.add'))))
    this.element.addEventListener('submit', (event) => {
      event.preventDefault()
      add(this.#fault())
    })
    this.#draw()
  }

  #timesField

  #draw() {
    this.#timesField.hidden = this.#often.value === 'always'
    this.#times.step = this.#often.value === 'probability' ? 'any' : '1'
    if (this.#often.value === 'probability' && Number(this.#times.value) > 1) this.#times.value = 0.1
    if (this.#often.value !== 'probability' && Number(this.#times.value) < 1) this.#times.value = 2
    this.#fields = {}
    const { fields = [] } = KINDS[this.#kind.value]
    replace(this.#own, fields.map(([key, usual, attributes]) => {
      const input = this.#fields[key] = h('input', { class: 'mono', autocomplete: 'off', ...attributes })
      input.value = usual
      return field(t('fault.' + key + '_field'), input)
    }))
    this.#own.hidden = fields.length === 0
  }

  #fault() {
    const values = Object.fromEntries(Object.entries(this.#fields).map(([key, input]) => [key, input.value.trim()]))
    const fault = KINDS[this.#kind.value].make(values)
    if (this.#functions.value) fault.functions = [this.#functions.value]
    if (this.#often.value !== 'always') fault[this.#often.value] = Number(this.#times.value)
    for (const [name, input] of Object.entries(this.#more)) {
      const text = input.value.trim()
      if (text) fault[name] = NUMBERS.includes(name) ? Number(text) : LISTS.includes(name) ? text.split(/\s*,\s*/) : text
    }
    if (this.#also.checked) fault.also = true
    return fault
  }
}

// only leaves out what is empty or zero.
const only = (all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value))
