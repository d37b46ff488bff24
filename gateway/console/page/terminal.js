// The terminal: compose a request, send it, look at both sides byte by byte.

import { bytes, exception, hex, parseReply } from './client/modferry.mjs'
import { Composer, firstRequest } from './compose.js'
import { copy, h, replace, select } from './dom.js'
import { exchange, formsOf, payloadOf } from './exchange.js'
import { errorText, exceptionText, frameView, verdictText } from './explain.js'
import { Past } from './past.js'
import { javascript, mosquittoAsk, send as sendCommand } from './snippets.js'
import { number, t } from './words.js'

export function mount(root, context) {
  if (context.view.buses.length === 0) {
    root.append(h('p', { class: 'empty' }, t('terminal.no_bus')))
    return
  }
  return new Terminal(root, context)
}

class Terminal {
  constructor(root, context) {
    this.context = context
    this.result = null // of the request that is shown
    this.pending = false
    this.request = h('div', { class: 'side' })
    this.reply = h('div', { class: 'side', 'aria-live': 'polite' })
    this.form = select([], undefined, { name: 'form', 'aria-label': t('terminal.form'), onchange: () => this.#keep() })
    this.sendButton = h('button', { class: 'primary' }, t('terminal.send'))
    this.rules = h('p', { class: 'soft small-text' })
    this.every = h('input', { name: 'every', type: 'number', min: '0.2', max: '3600', step: 'any', value: '1', 'aria-label': t('terminal.every') })
    this.repeatButton = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => this.#repeat() }, t('terminal.repeat'))
    this.history = new Past(context, (item) => this.#recall(item))
    this.composer = new Composer(context.view, () => this.#changed())
    this.#draw(root)
    const kept = context.store.get('terminal.request') || firstRequest(context.view)
    this.composer.take(kept.text, kept.bus)
    if (kept.form && formsOf(this.composer.busNow).includes(kept.form)) this.form.value = kept.form
    context.connection.watch(() => this.#allow())
    context.signal.addEventListener('abort', () => {
      clearInterval(this.timer)
      this.listening?.forEach((end) => end())
    })
  }

  #draw(root) {
    const { view, connection } = this.context
    const copies = [
      ['mosquitto', ({ busNow, frame }) => mosquittoAsk(view, connection.settings, this.context.topicsOf(busNow), payloadOf(frame, this.form.value === 'binary' ? 'hex' : this.form.value))],
      ['modferry send', ({ busNow, frame }) => sendCommand(view, connection.settings, busNow, frame, this.context.chosenName)],
      ['JavaScript', ({ busNow, frame }) => javascript(view, connection.settings, busNow, frame, this.context.chosenName)]
    ].map(([name, make]) => h('button', { type: 'button', class: 'small', onclick: () => this.#copy(make) }, name))
    this.copies = copies
    const submit = (event) => {
      event.preventDefault()
      this.send()
    }
    root.append(h('h1', { class: 'visually-hidden' }, t('tab.terminal')),
      h('div', { class: 'terminal' },
        h('div', { class: 'stack' },
          h('form', { class: 'card stack', onsubmit: submit }, this.composer.element,
            h('div', { class: 'row actions' }, this.sendButton, this.form,
              h('span', { class: 'repeat' }, this.repeatButton, this.every, h('span', { class: 'soft' }, t('terminal.seconds'))),
              h('button', { type: 'button', class: 'quiet', onclick: () => this.#favour() }, '☆', h('span', { class: 'label' }, ' ' + t('terminal.favour')))),
            this.rules),
          h('div', { class: 'card exchange' }, this.request, this.reply),
          h('div', { class: 'row copies' }, h('span', { class: 'soft' }, t('terminal.copy_as')), copies)),
        h('aside', { class: 'stack', 'aria-label': t('terminal.history') }, this.history.element)))
  }

  // show takes #terminal/BUS/HEX.
  show([bus, text] = []) {
    if (bus && text) {
      this.composer.take(text, bus)
      history.replaceState(null, '', '#terminal')
    }
  }

  #topic() {
    return this.context.topicsOf(this.composer.busNow).request
  }

  // #changed follows another bus or request.
  #changed() {
    const { busNow, frame } = this.composer
    if (this.bus !== busNow) {
      this.bus = busNow
      const forms = formsOf(busNow)
      const before = this.form.value
      replace(this.form, forms.map((form) => h('option', { value: form }, t('form.' + form))))
      this.form.value = forms.includes(before) ? before : forms[0]
      this.#listen(busNow)
    }
    if (this.result && !(frame && hex(this.result.frame) === hex(frame) && this.result.bus === busNow.name)) this.result = null
    if (this.timer && !frame) this.#repeat()
    this.#keep()
    this.#showBoth()
    this.#allow()
  }

  // #listen stays subscribed to the replies of the bus, so that a request need not wait for that.
  #listen(bus) {
    this.listening?.forEach((end) => end())
    const { response, error } = this.context.topicsOf(bus)
    this.listening = [response, error].map((topic) => this.context.connection.subscribe(topic, () => {}, { replay: false }))
  }

  #keep() {
    if (this.composer.frame) this.context.store.put('terminal.request', { bus: this.composer.busNow.name, text: hex(this.composer.frame, ' '), form: this.form.value })
  }

  #allow() {
    const can = this.composer.frame !== null
    this.sendButton.disabled = !can || this.pending || this.context.connection.phase !== 'online'
    this.repeatButton.disabled = !can
    for (const button of this.copies) button.disabled = !can
    this.sendButton.textContent = t(this.composer.writes ? 'terminal.send_write' : 'terminal.send')
    this.rules.textContent = this.composer.writes && this.composer.busNow.allow.length === 0 ? t('terminal.read_only') : ''
  }

  async send() {
    const { frame, busNow } = this.composer
    if (!frame || this.pending || this.context.connection.phase !== 'online') return
    this.pending = true
    this.#allow()
    if (!this.timer) replace(this.reply, h('h2', {}, t('terminal.reply')), h('p', { class: 'soft' }, t('terminal.waiting')))
    const result = await exchange(this.context, busNow, frame, this.form.value)
    this.pending = false
    if (this.context.signal.aborted) return
    this.history.add(result)
    const now = this.composer.frame
    if (now && hex(now) === hex(frame)) {
      this.result = result
      this.#showReply()
    }
    this.#allow()
  }

  #repeat() {
    const on = !this.timer
    clearInterval(this.timer)
    this.timer = 0
    if (on) {
      const seconds = Math.min(3600, Math.max(0.2, Number(this.every.value) || 1))
      this.every.value = seconds
      this.timer = setInterval(() => this.send(), seconds * 1000) // one that is not answered yet is not joined by another
      this.send()
    }
    this.every.disabled = on
    this.repeatButton.setAttribute('aria-pressed', String(on))
    this.repeatButton.textContent = t(on ? 'terminal.stop' : 'terminal.repeat')
  }

  async #copy(make) {
    try {
      await copy(make(this.composer))
      this.context.say(t('app.copied'))
    } catch {
      this.context.say(t('app.no_copy'), 'bad')
    }
  }

  #favour() {
    if (this.composer.frame) this.history.favour({ bus: this.composer.busNow.name, hex: hex(this.composer.frame, ' ') })
  }

  // #recall shows an earlier exchange again.
  #recall(item) {
    if (this.timer) this.#repeat()
    this.composer.take(item.hex, item.bus)
    if (item.at === undefined || !this.composer.frame) return
    const frame = this.composer.frame
    this.result = { ...item, frame, reply: item.reply ? bytes(item.reply) : null, exception: item.exception ? exception(item.exception) : undefined }
    if (this.result.reply) {
      try {
        this.result.values = parseReply(frame, this.result.reply).values
      } catch { /* it is shown as it is */ }
    }
    this.#showReply()
  }

  #showBoth() {
    const frame = this.composer.frame
    replace(this.request, h('h2', {}, t('terminal.request')), h('p', { class: 'topic mono' }, this.#topic()),
      frame ? frameView(frame, undefined, t('terminal.request_bytes')) : h('p', { class: 'soft' }, this.composer.message.textContent))
    this.#showReply()
  }

  #showReply() {
    const r = this.result
    if (!r) return replace(this.reply, h('h2', {}, t('terminal.reply')), h('p', { class: 'soft' }, t('terminal.not_sent')))
    const focus = this.reply.contains(document.activeElement)
    replace(this.reply,
      h('div', { class: 'row' }, h('h2', {}, t('terminal.reply')), verdict(r), h('span', { class: 'soft took' }, durations(r))),
      h('p', { class: 'topic mono' }, this.context.topicsOf(this.composer.busNow).response),
      r.reply && frameView(r.reply, r.frame, t('terminal.reply_bytes')),
      r.values && h('p', { class: 'values mono' }, valuesText(r.values)),
      trouble(r))
    if (focus) this.reply.querySelector('.byte')?.focus()
  }
}

function verdict(r) {
  return h('span', { class: 'badge ' + (r.exception || r.error ? 'bad' : 'good') }, verdictText(r.error, r.outcome, r.exception?.code))
}

function durations(r) {
  const all = number(r.took, r.took < 10 ? 1 : 0) + ' ms'
  return r.line === undefined || r.line === null ? all : t('terminal.took', { all, line: number(r.line, 1) })
}

// valuesText shows registers as numbers, and bits as 0 and 1.
function valuesText(values) {
  const shown = values.slice(0, 32).map((value) => typeof value === 'boolean' ? Number(value) : value).join(', ')
  return t('terminal.values_are', { values: shown + (values.length > 32 ? ' …' : '') })
}

// trouble says in words why there are no values, and what became of a write. What the
// gateway says itself goes first; its exception is only how it says that in Modbus.
function trouble(r) {
  const out = []
  const own = r.error && r.error.code !== 'exception'
  const exception = r.exception && exceptionText(r.exception.code)
  if (own) out.push(h('p', { class: 'bad' }, errorText(r.error)))
  if (own && exception) out.push(h('p', { class: 'soft' }, t('terminal.as_exception', { n: r.exception.code, name: exception.name })))
  if (!own && exception) out.push(h('p', {}, h('b', { class: 'bad' }, exception.name), ' – ', exception.hint))
  if (r.outcome === 'unknown') out.push(h('p', { class: 'warn' }, t('terminal.outcome_unknown')))
  return h('div', { class: 'trouble' }, out)
}
