// Frames in words: the fields of a frame in the person's language, functions and
// exceptions, and the bytes of a frame to look at one by one.

import { exception, explain, functionName } from './client/modferry.mjs'
import { h, replace } from './dom.js'
import { has, language, t } from './words.js'

const hexByte = (byte) => byte.toString(16).toUpperCase().padStart(2, '0')

// functionText names a function code for people.
export function functionText(code) {
  return has('function.' + code) ? t('function.' + code) : functionName(code).replaceAll('_', ' ') || t('function.other')
}

// exceptionText says what an exception means, and what to do.
export function exceptionText(code) {
  if (!has('exception.' + code)) return { name: t('exception.other'), hint: exception(code).hint }
  return { name: t('exception.' + code), hint: t('exception_hint.' + code) }
}

// exceptionWords names an exception with its number.
export const exceptionWords = (code) => t('line.exception', { code, name: exceptionText(code).name })

// verdictText says in a word what became of a request. An exception of the device goes by
// its number; what the gateway says itself has words of its own.
export function verdictText(error, outcome, exception) {
  const own = error && error.code !== 'exception' && error.code
  if (own && outcome === 'unknown') return t('verdict.unknown')
  if (own) return has('verdict.' + own) ? t('verdict.' + own) : t('terminal.failed')
  return exception ? t('terminal.exception', { n: exception }) : t('terminal.ok')
}

// errorText says what a gateway's or this page's own error is, in the person's language
// as far as there are words, and what the gateway says of it.
export function errorText(error) {
  const said = error.message ? error.message[0].toUpperCase() + error.message.slice(1) : ''
  if (!has('error.' + error.code)) return said || error.code
  if (language() === 'en' && said) return said
  return t('error.' + error.code, error) + (said && t('error.said', { text: said }))
}

// fieldsOf returns the fields of a frame as explain does, in the person's language.
export function fieldsOf(frame, request) {
  return explain(frame, request).map((field) => language() === 'en' ? field : translated(field, frame))
}

// translated says a field again in the person's language, from its bytes; what only the
// library can say stays as it is.
function translated(field, frame) {
  const at = frame.subarray(field.from, field.to)
  const word = at.length === 2 ? at[0] << 8 | at[1] : 0
  const address = /^at address (\d+)$/.exec(field.name)
  const value = /^value (\d+)$/.exec(field.name)
  const out = { ...field }
  out.name = address ? t('field.at_address', { n: address[1] }) : value ? t('field.value_n', { n: value[1] })
    : has('field.' + field.name.replace(/ /g, '_')) ? t('field.' + field.name.replace(/ /g, '_')) : field.name
  if (address || value || field.name === 'value' && at.length === 2 && /hex/.test(field.text)) {
    out.text = t(word > 32767 ? 'field.signed_text' : 'field.value_text', { signed: word - 65536, hex: hexByte(at[0]) + hexByte(at[1]) })
  } else if (field.name === 'unit') out.text = t(at[0] === 0 ? 'field.unit_all' : at[0] > 247 ? 'field.unit_reserved' : 'field.unit_text')
  else if (field.name === 'function') out.text = (at[0] & 0x80 ? t('field.exception_to') : '') + functionText(at[0] & 0x7f)
  else if (field.name === 'exception') out.text = exceptionText(at[0]).name + '：' + exceptionText(at[0]).hint
  else if (field.name === 'CRC') {
    out.value = t(field.value === 'right' ? 'field.right' : 'field.wrong')
    out.text = field.value === 'right' ? t('field.crc_text') : field.text.replace('must be', t('field.must_be'))
  } else if (/address|from$/.test(field.name)) out.text = t('field.address_text', { manual: field.text.replace(/^\D*0\D*/, '') })
  else if (field.name === 'byte count') out.text = t('field.count_text')
  else if (['quantity', 'read', 'write'].includes(field.name)) out.text = t('field.' + field.text.replace(/ /g, '_'))
  return out
}

const kinds = { unit: 'unit', function: 'function', exception: 'exception', CRC: 'crc', unexpected: 'wrong' }

// frameView shows the bytes of a frame. Each can be pointed at or reached with the arrow
// keys; what it means is then written below. label names it for screen readers, summary
// is what is written as long as no byte is chosen.
export function frameView(frame, request, label, summary) {
  const spoken = explain(frame, request)
  const fields = fieldsOf(frame, request)
  const line = h('p', { class: 'explained', 'aria-live': 'polite' })
  const rest = () => replace(line, h('span', { class: 'soft' }, summary || t('terminal.point')))
  const buttons = fields.map((field, i) => {
    const show = () => {
      replace(line, h('b', {}, field.name), field.value !== '' && h('span', { class: 'mono' }, field.value), h('span', {}, field.text))
      for (const one of buttons) one.classList.toggle('chosen', one === button)
    }
    const kind = spoken[i].name === 'CRC' && spoken[i].value !== 'right' ? 'wrong' : kinds[spoken[i].name] || 'data'
    const button = h('button', {
      type: 'button', class: 'byte mono', 'data-kind': kind, tabindex: i === 0 ? '0' : '-1', onmouseenter: show, onfocus: show, onclick: show
    }, Array.from(frame.subarray(field.from, field.to), (byte) => h('span', {}, hexByte(byte))),
    h('span', { class: 'visually-hidden' }, ' ' + field.name + ' ' + field.value + t('app.comma') + field.text))
    return button
  })
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    const to = buttons[buttons.indexOf(document.activeElement) + step]
    if (!step || !to) return
    event.preventDefault()
    for (const one of buttons) one.tabIndex = one === to ? 0 : -1
    to.focus()
  }
  const leave = () => {
    if (buttons.includes(document.activeElement)) return
    for (const one of buttons) one.classList.remove('chosen')
    rest()
  }
  rest()
  return h('div', { class: 'frame' },
    h('div', { class: 'bytes', role: 'group', 'aria-label': label, onkeydown: move, onmouseleave: leave, onfocusout: () => setTimeout(leave) }, buttons), line)
}
