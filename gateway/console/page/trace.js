// What passes on a bus, live, from /api/trace: the newest on top. While somebody points
// at the list it stands still, and what comes meanwhile is added afterwards.

import { h, replace, select } from './dom.js'
import { number, t } from './words.js'
import { exceptionWords, frameView, functionText } from './explain.js'
import { bytes } from './client/modferry.mjs'

const MAX_ROWS = 200 // in the document
const MAX_KEPT = 1000 // transactions
const RETRY = 3000 // ms

export class Trace {
  element
  frames = 0 // in which something was written; for tests
  #context
  #bus
  #source = null
  #retry = 0
  #entries = [] // oldest first
  #fresh = [] // not shown yet, oldest first
  #last = 0 // time of the newest
  #frame = 0
  #paused = false
  #held = false
  #unit = ''
  #kind = ''
  #list = h('ol', { class: 'transactions', 'aria-label': '' })
  #details = h('div', { class: 'details' })
  #note = h('small', { role: 'status' })
  #units = new Set()
  #unitChoice
  #busChoice
  #pause

  constructor(context) {
    this.#context = context
    this.#bus = context.view.buses[0].name
    this.#unitChoice = select([['', t('line.all_units')]], '', { 'aria-label': t('line.unit'), onchange: (event) => this.#filter({ unit: event.target.value }) })
    this.#busChoice = select(context.view.buses.map((bus) => bus.name), this.#bus, { 'aria-label': t('line.bus_choice'), onchange: (event) => this.choose(event.target.value) })
    this.#busChoice.hidden = context.view.buses.length < 2
    const kinds = select([['', t('line.everything')], ['requests', t('line.only_requests')], ['errors', t('line.only_errors')]], '', {
      'aria-label': t('line.kind'), onchange: (event) => this.#filter({ kind: event.target.value })
    })
    this.#pause = h('button', { class: 'small', 'aria-pressed': 'false', onclick: () => this.#setPaused(!this.#paused) }, t('line.pause'))
    const clear = h('button', { class: 'small', onclick: () => this.#clear() }, t('line.clear'))
    this.element = h('section', { class: 'card trace', 'aria-label': t('line.trace') },
      h('div', { class: 'row' }, h('h2', {}, t('line.trace')), this.#note, h('div', { class: 'row choices' }, this.#busChoice, this.#unitChoice, kinds, this.#pause, clear)),
      this.#list, this.#details)
    this.element.trace = this
    this.#list.setAttribute('aria-label', t('line.trace'))
    this.#listenToPerson()
    this.#explain(null)
  }

  #listenToPerson() {
    const hold = (held) => () => {
      this.#held = held && this.#list.matches(':hover, :focus-within')
      if (!this.#held) this.#schedule()
    }
    for (const name of ['pointerenter', 'focusin']) this.#list.addEventListener(name, hold(true))
    for (const name of ['pointerleave', 'focusout']) this.#list.addEventListener(name, () => setTimeout(hold(true)))
    this.#list.addEventListener('keydown', (event) => this.#move(event))
  }

  // move goes from row to row with the arrow keys.
  #move(event) {
    const item = document.activeElement.closest('li')
    const to = { ArrowDown: item?.nextElementSibling, ArrowUp: item?.previousElementSibling, Home: this.#list.firstElementChild, End: this.#list.lastElementChild }[event.key]
    if (!to) return
    event.preventDefault()
    to.firstChild.focus()
  }

  // choose watches another bus.
  choose(bus) {
    if (bus === this.#bus) return
    this.#bus = this.#busChoice.value = bus
    const following = Boolean(this.#source) || this.#retry
    this.follow(false)
    this.#units.clear()
    replace(this.#unitChoice, h('option', { value: '' }, t('line.all_units')))
    this.#unit = ''
    this.#last = 0
    this.#clear()
    if (following) this.follow(true)
  }

  // follow begins or ends to watch; what passed meanwhile is there afterwards, as far as
  // the gateway keeps it.
  follow(wanted) {
    clearTimeout(this.#retry)
    this.#retry = 0
    if (wanted === Boolean(this.#source)) return
    if (!wanted) {
      this.#source.close()
      this.#source = null
      return
    }
    const source = this.#source = new EventSource('api/trace?bus=' + encodeURIComponent(this.#bus))
    source.addEventListener('transaction', (event) => this.#take(JSON.parse(event.data)))
    source.addEventListener('lost', (event) => this.#tell(t('line.lost', { n: number(JSON.parse(event.data).count) })))
    source.addEventListener('gone', () => {
      this.#tell(t('line.gone'))
      this.#again()
    })
    source.onopen = () => this.#tell('')
    source.onerror = () => {
      this.#tell(t('line.trace_lost'))
      if (source.readyState === EventSource.CLOSED) this.#again()
    }
  }

  // again tries in a while, where the browser does not by itself.
  #again() {
    this.follow(false)
    this.#retry = setTimeout(() => this.follow(true), RETRY)
  }

  #take(entry) {
    entry.at = Date.parse(entry.time) + Number((/\.\d{3}(\d+)/.exec(entry.time) || [0, '0'])[1].padEnd(3, '0')) / 1000
    if (entry.at <= this.#last && entry.at > this.#last - 60000) return // it was here before the stream began anew
    this.#last = entry.at
    this.#entries.push(entry)
    if (this.#entries.length > MAX_KEPT + MAX_KEPT / 10) this.#entries.splice(0, this.#entries.length - MAX_KEPT)
    this.#fresh.push(entry)
    if (this.#fresh.length > 2 * MAX_ROWS) this.#fresh.splice(0, MAX_ROWS)
    if (!this.#units.has(entry.unit)) this.#addUnit(entry.unit)
    this.#schedule()
  }

  #addUnit(unit) {
    this.#units.add(unit)
    const after = [...this.#unitChoice.options].find((option) => option.value !== '' && Number(option.value) > unit)
    this.#unitChoice.insertBefore(h('option', { value: unit }, t('line.one_unit', { unit })), after || null)
  }

  #schedule() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#write())
  }

  // write adds what is new, once in a frame.
  #write() {
    this.#frame = 0
    if (this.#paused || this.#held) {
      const n = this.#fresh.filter((entry) => this.#shows(entry)).length
      if (n) this.#tell(t('line.waiting', { n: n >= MAX_ROWS ? MAX_ROWS + '+' : n }))
      return
    }
    const some = this.#fresh.filter((entry) => this.#shows(entry)).slice(-MAX_ROWS)
    this.#fresh = []
    if (!some.length) return
    this.frames++
    this.#tell('')
    this.#list.prepend(...some.reverse().map((entry) => this.#row(entry)))
    while (this.#list.children.length > MAX_ROWS) this.#list.lastChild.remove()
    this.#list.querySelector('[tabindex="0"]') || (this.#list.firstChild.firstChild.tabIndex = 0)
  }

  #shows(entry) {
    return (this.#unit === '' || entry.unit === Number(this.#unit)) &&
      (this.#kind !== 'requests' || !entry.poll) && (this.#kind !== 'errors' || entry.outcome !== 'good')
  }

  #filter(change) {
    if ('unit' in change) this.#unit = change.unit
    if ('kind' in change) this.#kind = change.kind
    this.#fresh = this.#entries.slice(-MAX_KEPT)
    this.#list.replaceChildren()
    const paused = this.#paused
    this.#paused = this.#held = false
    this.#write()
    this.#paused = paused
  }

  #setPaused(paused) {
    this.#paused = paused
    this.#pause.setAttribute('aria-pressed', String(paused))
    if (!paused) this.#schedule()
  }

  #clear() {
    this.#entries = []
    this.#fresh = []
    this.#list.replaceChildren()
    this.#explain(null)
  }

  #tell(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text
  }

  #row(entry) {
    const [kind, outcome] = outcomeOf(entry)
    const show = () => this.#explain(entry, button)
    const button = h('button', { class: 'transaction', tabindex: '-1', 'data-outcome': entry.outcome, onpointerenter: show, onfocus: show, onclick: show },
      h('span', { class: 'when' }, clock(entry.at)),
      h('span', { class: 'who' }, entry.poll ? t('line.poll') : entry.client || t('line.no_name')),
      h('span', { class: 'frames mono' },
        h('span', {}, h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→'), h('span', { class: 'visually-hidden' }, t('line.request')), spaced(entry.request)),
        entry.reply && h('span', {}, h('span', { class: 'arrow', 'aria-hidden': 'true' }, '←'), h('span', { class: 'visually-hidden' }, t('line.reply')), spaced(entry.reply))),
      h('span', { class: 'took' }, number(entry.elapsed_ms, entry.elapsed_ms < 10 ? 2 : 0) + ' ms'),
      h('span', { class: 'badge ' + kind }, outcome))
    return h('li', {}, button)
  }

  // explain shows a transaction byte by byte.
  #explain(entry, button) {
    if (!entry) return replace(this.#details, h('p', { class: 'soft' }, t('line.point')))
    for (const other of this.#list.querySelectorAll('.chosen')) other.classList.remove('chosen')
    button.classList.add('chosen')
    for (const other of this.#list.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1
    button.tabIndex = 0
    const request = aduOf(entry.request, entry.framing)
    const reply = entry.reply && aduOf(entry.reply, entry.framing)
    const title = functionText(request[1]) + ' · ' + t('line.one_unit', { unit: entry.unit })
    replace(this.#details, h('h3', {}, title),
      frameView(request, undefined, t('line.request'), t('line.request')),
      reply ? frameView(reply, request, t('line.reply'), t('line.reply')) : h('p', { class: 'soft' }, t('line.no_reply')),
      entry.framing === 'tcp' && h('small', {}, t('line.without_header', { header: spaced(entry.request.slice(0, 12)) })))
  }
}

// aduOf returns unit, PDU and, of RTU, the check code.
export function aduOf(hex, framing) {
  const all = bytes(hex)
  if (framing === 'tcp') return all.subarray(6)
  if (framing !== 'ascii') return all
  return bytes(new TextDecoder().decode(all).replace(/[:\s]/g, '')).subarray(0, -1)
}

const spaced = (hex) => hex.replace(/(..)(?=.)/g, '$1 ')

function outcomeOf(entry) {
  if (entry.outcome === 'good') return ['good', t('line.outcome_good')]
  if (entry.outcome === 'exception') return ['warn', exceptionWords(entry.exception)]
  return ['bad', t('line.outcome_' + entry.outcome)]
}

function clock(at) {
  const d = new Date(at)
  const two = (n) => String(n).padStart(2, '0')
  return two(d.getHours()) + ':' + two(d.getMinutes()) + ':' + two(d.getSeconds()) + '.' + String(d.getMilliseconds()).padStart(3, '0')
}
