// One request to a bus and its reply, over MQTT, as an app does it.

import { bytes, exception, hex, parseReply, parseRequest } from './client/modferry.mjs'
import { randomName } from './mqtt.js'

const PATIENCE = 4000 // ms beyond the bus's own timeout: queue, network
let counter = 0
const session = randomName(6) // ids of requests never come twice
const cookies = Date.now() // likewise, where they must be numbers

// formsOf returns the payload forms that a bus takes.
export const formsOf = (bus) => bus.payload === 'auto' ? ['json', 'hex', 'binary'] : [bus.payload]

// payloadOf writes a frame in a form. What a person sends again and again has no id: the
// same one would be answered from the journal.
export function payloadOf(frame, form, id) {
  if (form === 'binary') return frame
  if (form === 'line') return lineOf(parseRequest(frame), id ?? 1)
  return form === 'json' ? JSON.stringify({ id, frame: hex(frame) }) : hex(frame)
}

// lineOf writes a request as routers do; registers count from 1.
function lineOf(asked, cookie) {
  const values = (asked.values || []).map(Number)
  const several = asked.function === 15 || asked.function === 16
  return ['1', cookie, '0', '0', asked.unit, asked.function, asked.address + 1,
    several ? values.length + ' ' + values.join(',') : asked.quantity ?? values.join(' ')].join(' ')
}

// exchange sends a whole RTU frame and resolves with what came back:
// {at, bus, form, frame, topic, took, line, reply, values, exception, error, outcome}.
// took are the ms until the reply was here, line those of them that the device took, if
// they are known; exception {code, name, hint} and error {code, message} are why there
// are no values. It never rejects.
export function exchange(context, bus, frame, form) {
  const topics = context.topicsOf(bus)
  const id = form === 'line' ? String(cookies + ++counter) : session + '-' + ++counter
  const result = { at: Date.now(), bus: bus.name, form, frame, topic: topics.request, took: 0, reply: null }
  return new Promise((resolve) => {
    const begun = performance.now()
    const ends = []
    const finish = (more) => {
      clearTimeout(late)
      ends.forEach((end) => end())
      resolve(Object.assign(result, { took: performance.now() - begun }, more))
    }
    const late = setTimeout(() => finish({ error: { code: silence(context) } }), bus.timeout_ms + PATIENCE)
    const listen = (topic, read) => {
      const end = context.connection.subscribe(topic, (message) => {
        const more = message.retained ? null : read(message)
        if (more) finish(more)
      }, { replay: false })
      ends.push(end)
      return end.granted
    }
    const granted = [
      listen(topics.response, (message) => readReply(message, frame, form, id)),
      listen(topics.error, (message) => readError(message, frame, form, id))
    ]
    Promise.all(granted).then(([response]) => {
      if (!response) return finish({ error: { code: notAllowed(bus), topic: topics.response } })
      try {
        context.connection.publish(topics.request, payloadOf(frame, form, id))
      } catch {
        finish({ error: { code: 'not_connected' } })
      }
    })
  })
}

// notAllowed is the code of a subscription that the broker refuses; where the topic ends
// in the page's name, another name may help.
export const notAllowed = (bus) => bus.endings && !bus.shared_response ? 'no_subscription' : 'not_allowed'

// silence says why there may be no reply.
function silence(context) {
  if (context.connection.phase !== 'online') return 'not_connected'
  return context.connection.last(context.view.prefix + '/status')?.text === 'offline' ? 'gateway_offline' : 'no_reply'
}

function readReply(message, frame, form, id) {
  if (form === 'json') {
    const reply = message.json
    return reply && reply.id === id ? fromJSON(reply, frame) : null
  }
  if (form === 'line') return fromLine(message.text.trim(), id)
  let raw
  try {
    raw = form === 'binary' ? message.bytes : bytes(message.text)
  } catch {
    return null // somebody else's, on a shared topic
  }
  return fromFrame(raw, frame)
}

function fromJSON(reply, frame) {
  const more = { line: reply.elapsed_ms, outcome: reply.outcome }
  const raw = typeof reply.frame === 'string' ? bytes(reply.frame) : null
  if (raw) Object.assign(more, fromFrame(raw, frame) || { reply: raw })
  if (!reply.ok && reply.error) {
    more.error = reply.error
    if (reply.error.exception) more.exception = exception(reply.error.exception)
  }
  return more
}

function fromLine(text, cookie) {
  const [, ours, outcome, rest] = /^(\d+) (OK|ERROR:?)\s*(.*)$/s.exec(text) || []
  if (ours !== cookie) return null
  return outcome === 'OK' ? { values: rest.split(/[\s,]+/).filter(Boolean).map(Number) } : { error: { code: 'line', message: rest } }
}

function fromFrame(raw, frame) {
  try {
    const { values, exception } = parseReply(frame, raw)
    return { reply: raw, values, exception }
  } catch {
    return null // a request on a shared topic, or a reply to another one
  }
}

function readError(message, frame, form, id) {
  const report = message.json
  if (!report || !report.code) return null
  const said = String(report.payload || '').toUpperCase()
  const ours = form === 'json' || form === 'line' ? said.includes(id.toUpperCase()) : said.replace(/[^0-9A-F]/g, '').includes(hex(frame))
  return ours || form === 'binary' ? { error: { code: report.code, message: report.message } } : null
}
