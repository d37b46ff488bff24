// A form that sets a reading: a field that fits what may be set, and what became of it.

import { h, field, select } from './dom.js'
import { randomName } from './mqtt.js'
import { has, t } from './words.js'

const PATIENCE = 15000 // ms for the result

// setForm returns a form for a row of the readings.
export function setForm(context, row, title) {
  const { set } = row.reading
  const result = h('p', { class: 'result', role: 'status' })
  const input = control(row, set, title)
  const button = h('button', { class: 'primary small' }, t('readings.send'))
  const label = t('readings.new', { reading: title })
  const entry = input.group ? h('fieldset', { class: 'field' }, h('legend', {}, label), input.element) : field(label, input.element, limits(row.reading))
  const form = h('form', { class: 'set' }, entry, button, result)
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const value = input.value()
    if (value === undefined) return tell(result, 'bad', t('readings.no_value'))
    button.disabled = true
    tell(result, '', t('readings.waiting'))
    const { kind, text } = await ask(context, set, value, row.reading.unit)
    tell(result, kind, text)
    button.disabled = false
  })
  return form
}

function tell(result, kind, text) {
  result.className = 'result ' + kind
  result.textContent = text
}

// ask publishes a value and waits for its result; each request has an id of its own.
function ask({ connection, signal }, set, value, unit) {
  const id = randomName(12)
  return new Promise((resolve) => {
    const finish = (kind, text) => {
      clearTimeout(timer)
      end()
      resolve({ kind, text })
    }
    const timer = setTimeout(() => finish('bad', t('readings.no_answer')), PATIENCE)
    const end = connection.subscribe(set.result, (message) => {
      const answer = message.json
      if (answer && answer.id === id) finish(...outcome(answer, unit))
    }, { qos: 1, replay: false })
    signal.addEventListener('abort', () => finish('', ''), { once: true })
    end.granted.then(() => connection.publish(set.topic, JSON.stringify({ id, value }), { qos: 1 })).catch(() => finish('bad', t('readings.offline_now')))
    if (connection.phase !== 'online') finish('bad', t('readings.offline_now'))
  })
}

function outcome(answer, unit) {
  if (answer.ok) return ['good', t('readings.done', { value: written(answer.value) + (unit ? ' ' + unit : '') })]
  const reason = answer.error ? answer.error.message : ''
  const key = 'readings.outcome_' + answer.outcome
  return [answer.outcome === 'unknown' ? 'warn' : 'bad', has(key) ? t(key, { reason }) : reason]
}

const written = (value) => Array.isArray(value) ? value.join(', ') : String(value)

const isText = (type) => type === 'string' || type.startsWith('time')

function limits({ set, type, unit }) {
  const of = unit ? ' ' + unit : ''
  const parts = []
  const bounded = !set.names && type !== 'bool' && !isText(type)
  if (!bounded) { /* what there is to choose says it */ } else if (set.min !== null && set.max !== null) parts.push(t('readings.between', { min: set.min, max: set.max + of }))
  else if (set.min !== null) parts.push(t('readings.least', { min: set.min + of }))
  else if (set.max !== null) parts.push(t('readings.most', { max: set.max + of }))
  if (bounded && set.step) parts.push(t('readings.step', { step: set.step }))
  if (set.count > 1 && !isText(type)) parts.push(t('readings.list', { n: set.count }))
  return parts.join(' · ')
}

// control returns the field and how its value is read; undefined is none.
function control(row, set, title) {
  const { type } = row.reading
  if (set.names && set.flags) return flags(set.names, row)
  if (set.names || type === 'bool' && !(set.count > 1)) {
    const options = set.names || ['true', 'false']
    const element = select(options.map((name) => [name, set.names ? name : t('readings.' + name)]))
    if (options.includes(String(row.content))) element.value = String(row.content)
    return { element, value: () => set.names ? element.value : element.value === 'true' }
  }
  if (isText(type)) {
    const element = h('input', { autocomplete: 'off' })
    element.value = row.content ?? ''
    return { element, value: () => element.value }
  }
  if (set.count > 1) {
    const element = h('input', { class: 'mono', autocomplete: 'off', required: true })
    if (Array.isArray(row.content)) element.value = row.content.join(' ')
    return { element, value: () => list(element.value, set.count) }
  }
  const element = h('input', {
    type: 'number', required: true, step: set.step || 'any', min: set.step ? set.min : undefined, inputmode: 'decimal', autocomplete: 'off'
  })
  element.value = typeof row.content === 'number' ? row.content : ''
  return { element, value: () => Number.isNaN(element.valueAsNumber) ? undefined : element.valueAsNumber }
}

function flags(names, row) {
  const on = Array.isArray(row.content) ? row.content : []
  const boxes = names.map((name) => h('input', { type: 'checkbox', value: name, checked: on.includes(name) }))
  return {
    group: true,
    element: h('span', { class: 'row' }, boxes.map((box) => h('label', { class: 'check' }, box, box.value))),
    value: () => boxes.filter((box) => box.checked).map((box) => box.value)
  }
}

function list(text, count) {
  const parts = text.split(/[\s,;]+/).filter(Boolean)
  if (parts.length !== count) return undefined
  const values = parts.map((part) => ({ true: true, on: true, false: false, off: false }[part.toLowerCase()] ?? Number(part)))
  return values.some((value) => Number.isNaN(value)) ? undefined : values
}
