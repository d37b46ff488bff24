// The calls that the virtual devices got, newest on top.

import { h, select } from './dom.js'
import { number, t } from './words.js'
import { functionText } from './explain.js'

const MOST = 100 // calls in the document

export class Calls {
  element
  #control
  #filter = {}
  #since = null
  #list = h('ol', { class: 'transactions calls', 'aria-label': '', tabindex: '0' })
  #count = h('small', {})

  constructor(control, doing) {
    this.#control = control
    this.#list.setAttribute('aria-label', t('device.calls'))
    const choose = (key) => (event) => {
      if (event.target.value) this.#filter[key] = event.target.value
      else delete this.#filter[key]
      this.#since = null
    }
    const functions = select([['', t('device.all_functions')], ['read', t('device.reads')], ['write', t('device.writes')]], '', { 'aria-label': t('device.which'), onchange: choose('function') })
    const answered = select([['', t('device.any_reply')], ['true', t('device.answered')], ['false', t('device.silent')]], '', { 'aria-label': t('device.reply'), onchange: choose('answered') })
    const address = h('input', { class: 'mono', placeholder: t('device.address'), 'aria-label': t('device.address'), autocomplete: 'off', onchange: choose('address') })
    const fault = h('input', { placeholder: t('device.fault_name'), 'aria-label': t('device.fault_name'), autocomplete: 'off', onchange: choose('fault') })
    const clear = h('button', { class: 'small', onclick: () => doing(async () => {
      await control.ask('DELETE', 'calls')
      this.#list.replaceChildren()
    }) }, t('line.clear'))
    this.element = h('section', { class: 'card trace', 'aria-label': t('device.calls') },
      h('div', { class: 'row' }, h('h2', {}, t('device.calls')), this.#count, h('div', { class: 'row choices' }, functions, answered, address, fault, clear)),
      this.#list)
  }

  async look(count) {
    this.element.hidden = !count
    if (!count) return
    this.#count.textContent = t('device.call_count', { n: number(count.last) })
    const anew = this.#since === null || this.#since > count.last // the log was emptied, or filtered anew
    const query = new URLSearchParams({ ...this.#filter, since: anew ? 0 : this.#since, limit: 1000 })
    const { calls, more } = await this.#control.get('calls?' + query)
    if (anew) this.#list.replaceChildren()
    this.#list.prepend(...calls.slice(-MOST).reverse().map(row))
    while (this.#list.children.length > MOST) this.#list.lastChild.remove()
    const last = calls.length ? calls[calls.length - 1].number : 0
    this.#since = more ? last : Math.max(last, count.last)
  }
}

function row(call) {
  const [span] = call.touches || []
  const what = functionText(call.function) + (span ? ' · ' + t('device.touches', { address: span.address, n: span.quantity }) : '')
  const moment = new Date(call.time).toLocaleTimeString(document.documentElement.lang, { hour12: false })
  return h('li', {}, h('div', { class: 'transaction', title: [call.decoded.request, call.decoded.reply].filter(Boolean).join('\n') },
    h('span', { class: 'when' }, moment), h('span', { class: 'who' }, call.face + ' · ' + t('line.one_unit', { unit: call.unit })),
    h('span', { class: 'frames mono' }, h('span', { class: 'what' }, what), h('span', {}, '→ ', spaced(call.request)), call.reply && h('span', {}, '← ', spaced(call.reply))),
    h('span', { class: 'took' }, '#' + call.number),
    h('span', { class: 'row end' }, call.faults.map((name) => h('span', { class: 'badge warn' }, name)),
      h('span', { class: 'badge ' + (call.exception ? 'warn' : call.answered ? 'good' : 'bad') }, call.exception ? t('device.exception', { code: call.exception }) : t(call.answered ? 'device.answered' : 'device.silent')))))
}

const spaced = (hex) => hex.replace(/(..)(?=.)/g, '$1 ')
