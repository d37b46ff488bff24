import { hasCRC, withCRC } from './crc.mjs'
import { fail } from './error.mjs'
import { notAllowed, pduOf } from './frame.mjs'
import { exception, functionWords, isRequest, lengthOf } from './function.mjs'
import { hex, view } from './hex.mjs'
import { bitsOf, registersOf, word } from './register.mjs'
import { request } from './request.mjs'

// frameOf returns the whole frame of a request given as fields, bytes or hex text; a missing CRC is added.
export function frameOf(what) {
  if (what && typeof what === 'object' && what.function !== undefined) return request(what)
  const raw = view(what)
  if (hasCRC(raw) && isRequest(raw.subarray(1, raw.length - 2))) return raw
  return raw.length >= 2 && notAllowed(raw.subarray(1)) === '' ? withCRC(raw) : raw
}

// parseReply reads the RTU reply to a request (its fields, frame or hex text): {ok: true,
// unit, function, values} where values are booleans or registers, or, for a reply that is
// an exception, {ok: false, unit, function, exception: {code, name, hint}}.
// Errors: code hex, length, crc, and mismatch if it is no reply to this request.
export function parseReply(asked, reply) {
  const sent = frameOf(asked)
  const question = pduOf(sent)
  const raw = view(reply)
  const pdu = pduOf(raw)
  const mismatch = (message) => fail('mismatch', message)
  if (raw[0] !== sent[0]) throw mismatch('the reply is from unit ' + raw[0] + ', the request is for unit ' + sent[0])
  if ((pdu[0] & 0x7f) !== question[0]) throw mismatch('the reply has function ' + (pdu[0] & 0x7f) + ', the request has ' + question[0])
  const n = lengthOf(pdu, true)
  if (n > 0 && n !== pdu.length && pdu[0] !== 8 || n === 0) throw mismatch('the reply has ' + raw.length + ' bytes, one to ' + functionWords(question[0]) + ' has ' + (n + 3))
  const out = { ok: pdu[0] < 0x80, unit: raw[0], function: question[0], frame: raw }
  if (!out.ok) {
    out.exception = exception(pdu[1])
    return out
  }
  const bits = question[0] <= 2
  if (question[0] <= 4 || question[0] === 23) {
    const quantity = word(question, 3)
    const want = bits ? Math.ceil(quantity / 8) : 2 * quantity
    if (pdu[1] !== want) throw mismatch('the reply brings ' + pdu[1] + ' bytes of values where the request asks for ' + want)
    out.values = bits ? bitsOf(pdu.subarray(2), quantity) : registersOf(pdu.subarray(2))
  } else if (question[0] === 24) {
    out.values = registersOf(pdu.subarray(5))
  } else {
    const same = { 5: 5, 6: 5, 8: 3, 15: 5, 16: 5, 21: question.length, 22: 7 }[question[0]] || 1 // bytes that repeat the request
    if (hex(pdu.subarray(0, same)) !== hex(question.subarray(0, same))) throw mismatch('the reply does not repeat what the request says')
  }
  return out
}
