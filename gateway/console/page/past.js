// What was sent before, and what the person wants to send again.

import { hex } from './client/modferry.mjs'
import { h, replace } from './dom.js'
import { verdictText } from './explain.js'
import { number, t, time } from './words.js'

const MOST = 100
const MOST_FAVOURITES = 50

// Past is the list of exchanges, newest first, and the favourites. recall(item) is
// called with the one that the person picks.
export class Past {
  constructor(context, recall) {
    this.context = context
    this.recall = recall
    this.items = context.store.get('terminal.history', [])
    this.favourites = context.store.get('terminal.favourites', [])
    this.list = h('ol', { class: 'history' })
    this.pinned = h('ol', { class: 'history' })
    this.clearButton = h('button', { type: 'button', class: 'small quiet', onclick: () => this.#clear() }, t('terminal.clear'))
    this.element = [
      h('div', { class: 'card' }, h('h2', {}, t('terminal.favourites')), this.pinned),
      h('div', { class: 'card' }, h('div', { class: 'row between' }, h('h2', {}, t('terminal.history')), this.clearButton), this.list)
    ]
    this.#showFavourites()
    replace(this.list, this.items.map((item) => this.#row(item)))
    this.#showEmpty()
  }

  // add puts an exchange on top.
  add(result) {
    const item = {
      at: result.at, bus: result.bus, form: result.form, hex: hex(result.frame, ' '), reply: result.reply ? hex(result.reply, ' ') : '',
      took: result.took, line: result.line, outcome: result.outcome, error: result.error, exception: result.exception?.code,
      count: result.values?.length
    }
    this.items.unshift(item)
    this.list.prepend(this.#row(item))
    while (this.items.length > MOST) {
      this.items.pop()
      this.list.lastChild.remove()
    }
    this.context.store.put('terminal.history', this.items)
    this.#showEmpty()
  }

  // favour keeps a request, with a name that the person gives it.
  favour(item) {
    if (this.favourites.some((one) => one.hex === item.hex && one.bus === item.bus)) return this.context.say(t('terminal.favoured_already'))
    this.favourites.unshift({ ...item, name: '' })
    this.favourites.length = Math.min(this.favourites.length, MOST_FAVOURITES)
    this.#showFavourites()
    this.pinned.querySelector('input').focus()
  }

  #keepFavourites() {
    this.context.store.put('terminal.favourites', this.favourites)
  }

  #showFavourites() {
    this.#keepFavourites()
    replace(this.pinned, this.favourites.map((item) => h('li', { class: 'favourite' },
      h('input', {
        class: 'bare', value: item.name, placeholder: t('terminal.name_it'), 'aria-label': t('terminal.name_of', { hex: item.hex }), maxlength: '60',
        oninput: (event) => { item.name = event.target.value; this.#keepFavourites() }
      }),
      h('button', { type: 'button', class: 'small quiet', 'aria-label': t('terminal.remove', { what: item.name || item.hex }), onclick: () => this.#forget(item) }, '×'),
      this.#pick(item, h('span', { class: 'mono' }, item.hex)))))
    if (this.favourites.length === 0) this.pinned.append(h('li', { class: 'soft small-text' }, t('terminal.no_favourites')))
  }

  #forget(item) {
    this.favourites = this.favourites.filter((one) => one !== item)
    this.#showFavourites()
  }

  #clear() {
    this.items = []
    this.context.store.put('terminal.history', [])
    replace(this.list)
    this.#showEmpty()
  }

  #showEmpty() {
    this.clearButton.hidden = this.items.length === 0
    if (this.items.length === 0) this.list.append(h('li', { class: 'soft small-text none' }, t('terminal.no_history')))
    else this.list.querySelector('.none')?.remove()
  }

  #row(item) {
    const good = !item.error && !item.exception
    return h('li', {}, this.#pick(item,
      h('span', { class: 'row between' },
        h('span', { class: 'soft' }, time(item.at)), h('span', { class: good ? 'good' : 'bad' }, verdictText(item.error, item.outcome, item.exception)),
        h('span', { class: 'soft' }, number(item.took, 0) + ' ms')),
      h('span', { class: 'mono' }, item.hex)))
  }

  #pick(item, ...children) {
    return h('button', { type: 'button', class: 'pick', onclick: () => this.recall(item) }, children)
  }
}
