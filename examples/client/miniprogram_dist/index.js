// modferry-client: Modbus over MQTT from JavaScript. It needs nothing but the language as of
// 2017 and setTimeout, so it runs in browsers, Node.js, WeChat mini-programs, uni-app and
// Taro. References in brackets are to the Modbus application protocol V1.1b3.
//
// Made from src by build.mjs.
'use strict'

// ---- error

// ModferryError is the only error thrown or rejected with here. Its code says what to
// do; message is one sentence for people.
class ModferryError extends Error {
  constructor(code, message, more) {
    super(message)
    Object.setPrototypeOf(this, ModferryError.prototype) // lost where classes are compiled to ES5
    this.name = 'ModferryError'
    this.code = code
    for (const key of Object.keys(more || {})) this[key] = more[key]
  }
}

const fail = (code, message, more) => new ModferryError(code, message, more)
const invalid = (message) => fail('invalid', message)

// whole returns the whole number of a key, within its range.
function whole(fields, key, least, most, otherwise) {
  const value = fields[key] === undefined ? otherwise : fields[key]
  if (value === undefined) throw invalid('"' + key + '" is missing')
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalid('"' + key + '" is ' + value + ': it must be a whole number, ' + least + ' to ' + most)
  }
  return value
}

// ---- hex

const BLANK = ' \t\r\n'
const SEPARATORS = BLANK + ',-:'
const HEX_ADVICE = ': write each byte as two hex digits, such as 01 04 00 01 00 02'
const digit = (c) => '0123456789abcdef'.indexOf(c.toLowerCase())
const isDigit = (c) => c !== undefined && c !== '' && digit(c) >= 0

// bytes returns the bytes of hex text, in the ways in which a gateway takes it: digits in
// either case, with or without 0x, in groups between white space, ',', '-' and ':'. Empty
// text has no bytes. Error: code hex, position is the index of the first wrong character.
function bytes(text) {
  if (typeof text !== 'string') throw fail('hex', 'hex digits must be a text, not ' + typeof text, { position: 0 })
  let end = text.length
  while (end > 0 && SEPARATORS.includes(text[end - 1])) end--
  let at = 0
  while (at < end && BLANK.includes(text[at])) at++
  const out = []
  const prefixed = () => at + 1 < end && text[at] === '0' && (text[at + 1] === 'x' || text[at + 1] === 'X')
  const stop = (message) => fail('hex', message, { position: at })
  const unexpected = () => at >= end
    ? stop('there are no hex digits after 0x' + HEX_ADVICE)
    : stop("'" + String.fromCodePoint(text.codePointAt(at)) + "' at position " + (at + 1) + ' is not a hex digit' + HEX_ADVICE)
  const odd = (start) => {
    if (at + 1 < end && !SEPARATORS.includes(text[at + 1])) {
      at++
      return unexpected()
    }
    return stop((at === start
      ? 'the single hex digit "' + text[at] + '" is not a byte: write each byte with two, such as 0' + text[at]
      : (at + 1 - start) + ' hex digits in a row are not a whole number of bytes: one is missing or too many') + ', at position ' + (at + 1))
  }
  while (at < end) {
    if (prefixed()) at += 2
    const start = at
    while (at < end && isDigit(text[at]) && (at === start || !prefixed())) {
      if (at + 1 >= end || !isDigit(text[at + 1])) throw odd(start)
      out.push(digit(text[at]) * 16 + digit(text[at + 1]))
      at += 2
    }
    if (at === start) throw unexpected()
    const before = at
    while (at < end && SEPARATORS.includes(text[at])) at++
    if (at === before && at < end && !prefixed()) throw unexpected()
  }
  return Uint8Array.from(out)
}

// hex returns bytes as upper-case hex text, with a separator between bytes if one is given.
function hex(data, separator) {
  return Array.from(view(data), (byte) => hexByte(byte)).join(separator || '')
}

const hexByte = (byte) => byte.toString(16).toUpperCase().padStart(2, '0')
const hexWord = (word) => word.toString(16).toUpperCase().padStart(4, '0')

// view returns what is in text, a Uint8Array, an ArrayBuffer or an array of numbers as bytes.
function view(data) {
  if (typeof data === 'string') return bytes(data)
  if (data && data.buffer && data.byteLength !== undefined) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (data && typeof data === 'object' && typeof data.byteLength === 'number') return new Uint8Array(data)
  if (Array.isArray(data) && data.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) return Uint8Array.from(data)
  throw fail('invalid', 'a frame must be hex text or bytes (a Uint8Array), not ' + (data === null ? 'null' : typeof data))
}

// text returns UTF-8 bytes as a string; what is no UTF-8 becomes U+FFFD.
function text(data) {
  if (typeof data === 'string') return data
  const b = view(data)
  let out = ''
  for (let i = 0; i < b.length;) {
    const c = b[i++]
    let more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : -1
    let code = more < 0 ? 0xfffd : more ? c & (0x3f >> more) : c
    for (const least = [0, 0x80, 0x800, 0x10000][more]; more > 0; more--) {
      if ((b[i] & 0xc0) !== 0x80) {
        code = 0xfffd
        break
      }
      code = code << 6 | b[i++] & 0x3f
      if (more === 1 && (code < least || code >= 0xd800 && code < 0xe000 || code > 0x10ffff)) code = 0xfffd
    }
    out += String.fromCodePoint(code)
  }
  return out
}

// ---- crc

// crc16 returns the CRC of RTU frames as a number; on the wire its low byte comes first.
function crc16(data) {
  let crc = 0xffff
  for (const byte of view(data)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1
  }
  return crc
}

// withCRC returns data, unit and PDU, as a whole RTU frame.
function withCRC(data) {
  const body = view(data)
  const crc = crc16(body)
  const frame = new Uint8Array(body.length + 2)
  frame.set(body)
  frame.set([crc & 0xff, crc >> 8], body.length)
  return frame
}

function hasCRC(frame) {
  const n = frame.length
  return n >= 4 && crc16(frame.subarray(0, n - 2)) === (frame[n - 2] | frame[n - 1] << 8)
}

// ---- function

// name, then bytes of a request's PDU and of a reply's, each [base, index of a byte count];
// a base of -1: the bytes do not tell.
const FUNCTIONS = {
  1: ['read_coils', [5], [2, 1]],
  2: ['read_discrete_inputs', [5], [2, 1]],
  3: ['read_holding_registers', [5], [2, 1]],
  4: ['read_input_registers', [5], [2, 1]],
  5: ['write_single_coil', [5], [5]],
  6: ['write_single_register', [5], [5]],
  7: ['read_exception_status', [1], [2]],
  8: ['diagnostics', [5], [5]],
  11: ['get_comm_event_counter', [1], [5]],
  12: ['get_comm_event_log', [1], [2, 1]],
  15: ['write_multiple_coils', [6, 5], [5]],
  16: ['write_multiple_registers', [6, 5], [5]],
  17: ['report_server_id', [1], [2, 1]],
  20: ['read_file_record', [2, 1], [2, 1]],
  21: ['write_file_record', [2, 1], [2, 1]],
  22: ['mask_write_register', [7], [7]],
  23: ['read_write_registers', [10, 9], [2, 1]],
  24: ['read_fifo_queue', [3], [-1]],
  43: ['encapsulated_interface', [-1], [-1]]
}

const EXCEPTIONS = {
  1: ['illegal function', 'the device does not have this function'],
  2: ['illegal data address', 'the device has no such register or coil; check the address (many manuals count from 1, frames count from 0) and the quantity'],
  3: ['illegal data value', 'the value or quantity is outside what is allowed'],
  4: ['server device failure', 'the device failed while doing it; look at the device itself'],
  5: ['acknowledge', 'the device accepted the request and needs time; ask again later'],
  6: ['server device busy', "the device or the gateway's queue is busy; try again later"],
  7: ['negative acknowledge', 'the device cannot do this program function'],
  8: ['memory parity error', 'the device found its extended memory corrupted'],
  10: ['gateway path unavailable', 'the gateway cannot reach the line: its port is gone or the connection is refused'],
  11: ['gateway target device failed to respond', 'no device answered: check power, wiring, unit id, baud rate and parity']
}

// exception says what an exception code means: {code, name, hint}.
function exception(code) {
  const known = EXCEPTIONS[code] || ['unknown exception', "the code is the device maker's own; see the device's manual"]
  return { code, name: known[0], hint: known[1] }
}

// functionName returns the name of a function code, such as "read_input_registers", ''
// for one that the standard does not define.
function functionName(code) {
  return FUNCTIONS[code] ? FUNCTIONS[code][0] : ''
}

// isWrite tells whether a function may change the device. Those that the standard does
// not define count as writes: nobody can know.
function isWrite(code) {
  return ![1, 2, 3, 4, 7, 11, 12, 17, 20, 24].includes(code)
}

const functionWords = (code) => functionName(code).replace(/_/g, ' ') ||
  (code >= 65 && code <= 72 || code >= 100 && code <= 110 ? "a function of the device's maker" : code === 0 ? 'no function' : 'not a standard function')

// lengthOf returns how long a PDU that begins with pdu must be: 0 = more bytes are needed
// to tell, -1 = its bytes do not tell.
function lengthOf(pdu, reply) {
  const known = FUNCTIONS[pdu[0]]
  if (reply && pdu[0] & 0x80) return 2
  if (!known) return -1
  const base = known[reply ? 2 : 1][0]
  const count = known[reply ? 2 : 1][1]
  if (base < 0 || count === undefined) return base
  return pdu.length > count ? base + pdu[count] : 0
}

// isRequest tells whether a PDU has a length that a request of its function can have.
function isRequest(pdu) {
  if (pdu.length < 1 || pdu.length > 253 || pdu[0] === 0 || pdu[0] & 0x80) return false
  if (pdu[0] === 8 && pdu.length > 5) return pdu.length % 2 === 1 && pdu[1] === 0 && pdu[2] === 0 // loopback of any length [6.8.1]
  const n = lengthOf(pdu, false)
  return n === pdu.length || n < 0
}

// ---- register

// Registers are sent high byte first; bits eight to a byte, the first in the lowest place [4.2, 6.1].

const word = (b, at) => b[at] << 8 | b[at + 1]
const words = (...values) => [].concat(...values.map((value) => [value >> 8 & 0xff, value & 0xff]))
const bitsOf = (data, n) => Array.from({ length: n }, (_, i) => (data[i >> 3] >> (i & 7) & 1) === 1)
const registersOf = (data) => Array.from({ length: data.length >> 1 }, (_, i) => word(data, 2 * i))

function packed(bits) {
  const out = new Array(Math.ceil(bits.length / 8)).fill(0)
  bits.forEach((on, i) => { if (on) out[i >> 3] |= 1 << (i & 7) })
  return out
}

// ---- frame

const MOST = { 1: 2000, 2: 2000, 3: 125, 4: 125, 15: 1968, 16: 123, 23: 125 } // quantities of one request [6]
const MOST_23 = 121 // registers that function 23 writes

// notAllowed says why the specification does not allow a request PDU, '' if it does.
function notAllowed(pdu) {
  const code = pdu[0]
  if (!isRequest(pdu)) {
    const n = pdu.length > 253 ? 0 : lengthOf(pdu, false)
    return 'the request has ' + (pdu.length + 1) + ' bytes without its CRC: ' + (n > 0 ? functionWords(code) + ' has ' + (n + 1) : 'that is no length for function ' + code)
  }
  const most = MOST[code]
  const span = (address, quantity, limit) => quantity < 1 || quantity > limit
    ? 'quantity ' + quantity + ': 1 to ' + limit + ' are allowed in one request'
    : address + quantity > 65536 ? 'address ' + address + ' + quantity ' + quantity + ' is beyond 65536' : ''
  const count = (got, want) => got === want ? '' : 'the byte count is ' + got + ' where the quantity needs ' + want
  switch (code) {
    case 1: case 2: case 3: case 4: return span(word(pdu, 1), word(pdu, 3), most)
    case 5: return [0, 0xff00].includes(word(pdu, 3)) ? '' : 'a coil is written with FF00 (on) or 0000 (off), not ' + hexWord(word(pdu, 3))
    case 15: return span(word(pdu, 1), word(pdu, 3), most) || count(pdu[5], Math.ceil(word(pdu, 3) / 8))
    case 16: return span(word(pdu, 1), word(pdu, 3), most) || count(pdu[5], 2 * word(pdu, 3))
    case 23: return span(word(pdu, 1), word(pdu, 3), most) || span(word(pdu, 5), word(pdu, 7), MOST_23) || count(pdu[9], 2 * word(pdu, 7))
    case 20: return pdu[1] >= 7 && pdu[1] <= 245 && pdu[1] % 7 === 0 ? '' : 'a file record request has 7 bytes per sub-request and 7 to 245 in all, not ' + pdu[1] // [6.14]
    case 21: return pdu[1] >= 9 && pdu[1] <= 251 ? '' : 'a file record to write has 9 to 251 bytes, not ' + pdu[1] // [6.15]
    case 43: return pdu[1] !== 14 || pdu.length === 4 && pdu[2] >= 1 && pdu[2] <= 4 ? '' : 'a device identification is read with code 1 to 4 and an object' // [6.21]
  }
  return ''
}

// pduOf returns the PDU of a whole RTU frame. Errors: code length, crc.
function pduOf(frame) {
  if (frame.length < 4 || frame.length > 256) throw fail('length', 'an RTU frame has 4 to 256 bytes, not ' + frame.length)
  if (!hasCRC(frame)) {
    const crc = crc16(frame.subarray(0, frame.length - 2))
    throw fail('crc', 'wrong CRC: the frame ends with ' + hex(frame.subarray(-2), ' ') + ', its bytes give ' + hex([crc & 0xff, crc >> 8], ' ') +
      '; some bytes are damaged, or not all have arrived')
  }
  return frame.subarray(1, frame.length - 2)
}

// parseRequest reads a whole RTU request: {unit, function, name, write, address, quantity,
// values, write_address}, those that its function has. Errors: code hex, length, crc, invalid.
function parseRequest(frame) {
  const raw = view(frame)
  const pdu = pduOf(raw)
  const code = pdu[0]
  const wrong = notAllowed(pdu)
  if (wrong) throw invalid(wrong)
  const out = { unit: raw[0], function: code, name: functionName(code), write: isWrite(code) }
  if (code <= 6 || [15, 16, 22, 23, 24].includes(code)) out.address = word(pdu, 1)
  if (code <= 4 || [15, 16, 23].includes(code)) out.quantity = word(pdu, 3)
  if (code === 5) out.values = [pdu[3] === 0xff]
  if (code === 6 || code === 22) out.values = registersOf(pdu.subarray(3))
  if (code === 15) out.values = bitsOf(pdu.subarray(6), out.quantity)
  if (code === 16) out.values = registersOf(pdu.subarray(6))
  if (code === 23) {
    out.write_address = word(pdu, 5)
    out.values = registersOf(pdu.subarray(10))
  }
  return out
}

// ---- request

const FIELDS = ['unit', 'function', 'address', 'quantity', 'values', 'value', 'write_address', 'data', 'timeout_ms', 'expires']
function functionCode(value) {
  if (typeof value === 'string') {
    const name = value.toLowerCase().replace(/[ -]/g, '_')
    const code = Object.keys(FUNCTIONS).find((key) => FUNCTIONS[key][0] === name)
    if (!code) throw invalid('"function" "' + value + '" is not known: give its number, or a name such as "read_input_registers"')
    return Number(code)
  }
  return whole({ function: value }, 'function', 1, 127)
}

// request returns the RTU frame, with its CRC, of a request given as in the JSON requests
// of a gateway: {unit, function, address, quantity, values, write_address}. function is a
// number or a name; value may stand for values; functions 1 to 6, 15, 16, 22 (values: the
// AND and the OR mask), 23 and 24, any other with data, the bytes behind the function code.
// Error: code invalid.
function request(fields) {
  if (!fields || typeof fields !== 'object') throw invalid('a request is an object such as {unit: 1, function: 4, address: 1, quantity: 2}')
  for (const key of Object.keys(fields)) {
    if (!FIELDS.includes(key)) throw invalid('the key "' + key + '" is not known: the keys are ' + FIELDS.join(', '))
  }
  const unit = whole(fields, 'unit', 0, 255)
  const code = functionCode(fields.function)
  const frame = withCRC([unit, code].concat(requestData(code, fields)))
  const wrong = notAllowed(frame.subarray(1, frame.length - 2))
  if (wrong) throw invalid(wrong)
  return frame
}

function requestData(code, fields) {
  if (fields.data !== undefined) return Array.from(view(fields.data))
  const uses = { 5: ['values'], 6: ['values'], 15: ['quantity', 'values'], 16: ['quantity', 'values'], 22: ['values'], 23: ['quantity', 'values', 'write_address'], 24: [] }[code] ||
    (code <= 4 ? ['quantity'] : null)
  const name = 'function ' + code + ' (' + functionWords(code) + ')'
  if (!uses) throw invalid(name + ' has no fields here: give what follows the function code as "data", in hex')
  const given = fields.values === undefined ? fields.value : fields.values
  for (const key of ['quantity', 'values', 'write_address']) {
    if (!uses.includes(key) && (key === 'values' ? given : fields[key]) !== undefined) throw invalid('"' + key + '" does not belong to ' + name)
  }
  const address = words(whole(fields, 'address', 0, 65535))
  if (!uses.includes('values')) return code === 24 ? address : address.concat(words(whole(fields, 'quantity', 0, 65535, 1)))
  if (given === undefined) throw invalid('"values" is missing: ' + name + ' needs it')
  const list = Array.isArray(given) || given && given.buffer ? Array.from(given) : [given]
  const values = list.map(code === 5 || code === 15 ? coilValue : registerValue)
  const must = { 5: 1, 6: 1, 22: 2 }[code] || fields.quantity
  const room = { 15: MOST[15], 16: MOST[16], 23: MOST_23 }[code] || must
  if (code !== 23 && must !== undefined && values.length !== must || values.length < 1 || values.length > room) {
    throw invalid('"values" has ' + values.length + ' values: ' + name + ' takes ' + (code !== 23 && must !== undefined ? must : '1 to ' + room))
  }
  switch (code) {
    case 5: return address.concat(values[0] ? [0xff, 0] : [0, 0])
    case 15: return address.concat(words(values.length), [Math.ceil(values.length / 8)], packed(values))
    case 16: return address.concat(words(values.length), [2 * values.length], words(...values))
    case 23: return address.concat(words(whole(fields, 'quantity', 0, 65535, 1), whole(fields, 'write_address', 0, 65535), values.length), [2 * values.length], words(...values))
  }
  return address.concat(words(...values))
}

function coilValue(value) {
  if (value === true || value === 1) return true
  if (value === false || value === 0) return false
  throw invalid('"values" has ' + value + ': a coil is true or false (1 or 0)')
}

function registerValue(value) {
  if (!Number.isInteger(value) || value < -32768 || value > 65535) throw invalid('"values" has ' + value + ': a register holds a whole number, -32768 to 65535')
  return value & 0xffff
}

// ---- reply

// frameOf returns the whole frame of a request given as fields, bytes or hex text; a missing CRC is added.
function frameOf(what) {
  if (what && typeof what === 'object' && what.function !== undefined) return request(what)
  const raw = view(what)
  if (hasCRC(raw) && isRequest(raw.subarray(1, raw.length - 2))) return raw
  return raw.length >= 2 && notAllowed(raw.subarray(1)) === '' ? withCRC(raw) : raw
}

// parseReply reads the RTU reply to a request (its fields, frame or hex text): {ok: true,
// unit, function, values} where values are booleans or registers, or, for a reply that is
// an exception, {ok: false, unit, function, exception: {code, name, hint}}.
// Errors: code hex, length, crc, and mismatch if it is no reply to this request.
function parseReply(asked, reply) {
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

// ---- explain

// explain takes an RTU frame apart, with or without its CRC, as a list of fields in the
// order of the bytes: {from, to, name, value, text}, where to is the index behind the last
// byte. It never fails on bytes, whatever they are. request, if it is known, gives the
// values of its reply their addresses. Error: code hex.
function explain(data, asked) {
  const raw = view(data)
  const question = asked === undefined ? null : frameOf(asked)
  const w = new Walker(raw, question && question.length >= 4 ? question : null)
  if (raw.length > 0) w.take(1, 'unit', (b) => [b[0], unitWords(b[0])])
  if (raw.length > 1) {
    w.take(1, 'function', (b) => [b[0], b[0] & 0x80 ? (b[0] & 0x7f) + ' + 128: exception to ' + functionWords(b[0] & 0x7f) : functionWords(b[0])])
    w.pdu()
  }
  if (w.at < w.end) w.add(w.end - w.at, 'unexpected', '', 'more than the frame has')
  if (w.end < raw.length) {
    const crc = crc16(raw.subarray(0, w.end))
    const right = crc === (raw[w.end] | raw[w.end + 1] << 8)
    w.add(2, 'CRC', right ? 'right' : 'wrong', right ? 'the check code of the bytes before' : 'must be ' + hex([crc & 0xff, crc >> 8], ' '))
  }
  return w.fields
}

const unitWords = (unit) => unit === 0 ? 'all devices of the line' : unit > 247 ? 'no device: 248 to 255 are reserved' : "the device's address"
const TABLES = { 1: ['coils', 0], 2: ['discrete inputs', 1], 3: ['holding registers', 4], 4: ['input registers', 3], 5: ['coils', 0], 15: ['coils', 0] }
const tableOf = (code) => TABLES[code] || TABLES[3]

// Walker goes through a frame from its first byte to its last and writes down the fields.
class Walker {
  constructor(raw, question) {
    this.raw = raw
    this.at = 0
    this.fields = []
    this.end = endOfPDU(raw)
    this.question = question
    this.kind = raw.length > 1 ? kindOf(raw.subarray(1, this.end), question) : ''
  }

  add(n, name, value, text) {
    this.fields.push({ from: this.at, to: this.at + n, name, value: String(value), text })
    this.at += n
  }

  // take writes down the next n bytes as what say makes of them, or what is there if the PDU ends before.
  take(n, name, say) {
    const left = this.end - this.at
    if (left >= n) this.add(n, name, ...say(this.raw.subarray(this.at, this.at + n)))
    else if (left > 0) this.add(left, name, '', 'cut off: it has ' + n + (n === 1 ? ' byte' : ' bytes'))
    return left >= n
  }

  number(name, say) {
    const value = this.at + 2 <= this.end ? word(this.raw, this.at) : 0
    this.take(2, name, (b) => [word(b, 0), say(word(b, 0))])
    return value
  }

  address(name, code) {
    const table = tableOf(code)
    return this.number(name, (address) => 'counted from 0; manuals may say ' + table[1] + String(address + 1).padStart(address < 9999 ? 4 : 5, '0'))
  }

  span(from, quantity, code, verb) {
    return { first: this.address(from, code), n: this.number(quantity, () => tableOf(code)[0] + ' to be ' + verb) }
  }

  count() {
    let n = 0
    this.take(1, 'byte count', (b) => [n = b[0], 'bytes that follow'])
    return n
  }

  register(name) {
    return this.take(2, name, (b) => {
      const value = word(b, 0)
      return [value, (value > 32767 ? 'or ' + (value - 65536) + ' as a signed number; ' : '') + 'hex ' + hexWord(value)]
    })
  }

  registers(first, n) {
    for (let i = 0; i < n && this.at < this.end; i++) {
      if (!this.register(first < 0 ? 'value ' + (i + 1) : 'at address ' + (first + i))) return
    }
  }

  // bits writes down n bits, eight to a byte; size is how many bytes there are for them.
  bits(first, n, size) {
    for (let i = 0; i < size && this.at < this.end; i++) {
      const count = Math.max(0, Math.min(8, n - 8 * i))
      const low = first < 0 ? 8 * i + 1 : first + 8 * i
      const name = count < 1 ? 'unused' : count === 1 ? 'bit ' + low : 'bits ' + low + '-' + (low + count - 1)
      this.take(1, name, (b) => {
        const on = Array.from({ length: count }, (_, bit) => bit).filter((bit) => b[0] >> bit & 1).map((bit) => low + bit)
        return [b[0].toString(2).padStart(8, '0'), on.length ? 'on: ' + on.join(', ') + '; the first is on the right' : 'all off']
      })
    }
  }

  rest(text) {
    const b = this.raw.subarray(this.at, this.end)
    if (b.length) this.add(b.length, 'data', b.every((c) => c >= 32 && c <= 126) ? '"' + String.fromCharCode(...b) + '"' : '', text)
  }

  pdu() {
    const code = this.raw[1]
    if (this.kind === 'exception') this.take(1, 'exception', (b) => [b[0], exception(b[0]).name + ': ' + exception(b[0]).hint])
    else if (!FUNCTIONS[code] || code & 0x80) this.rest("only the device's manual can tell")
    else if (this.kind === 'reply' && (code <= 4 || code === 23)) this.values(code)
    else this.ask(code, this.kind === 'reply')
  }

  // values writes down the reply to a read; its request tells the addresses.
  values(code) {
    const q = this.question
    const known = q !== null && q[1] === code && q.length >= 8
    const first = known ? word(q, 2) : -1
    const n = this.count()
    if (code <= 2) this.bits(first, known ? word(q, 4) : 8 * n, n)
    else this.registers(first, n >> 1)
  }

  // ask writes down a request, or a confirmation that repeats it.
  ask(code, reply) {
    switch (code) {
      case 1: case 2: case 3: case 4:
        this.span('address', 'quantity', code, 'read')
        break
      case 5:
        this.address('address', code)
        this.take(2, 'value', (b) => ({ 0xff00: ['on', 'FF 00 = on'], 0: ['off', '00 00 = off'] }[word(b, 0)] || ['', 'only FF 00 (on) and 00 00 (off) are allowed']))
        break
      case 6:
        this.address('address', code)
        this.register('value')
        break
      case 15: case 16: {
        const span = this.span('address', 'quantity', code, 'written')
        if (reply) break
        const n = this.count()
        if (code === 15) this.bits(span.first, span.n, n)
        else this.registers(span.first, n >> 1)
        break
      }
      case 22:
        this.address('address', code)
        this.take(2, 'AND mask', (b) => [hexWord(word(b, 0)), 'bits that are 1 keep their value'])
        this.take(2, 'OR mask', (b) => [hexWord(word(b, 0)), 'the value of the other bits'])
        break
      case 23: {
        this.span('read from', 'read', code, 'read')
        const span = this.span('write from', 'write', code, 'written')
        this.registers(span.first, this.count() >> 1)
        break
      }
      default:
        this.rest('see the specification of ' + functionWords(code))
    }
  }
}

// endOfPDU returns where the CRC begins, the length of raw if it has none.
function endOfPDU(raw) {
  const n = raw.length
  const exact = (pdu) => lengthOf(pdu, false) === pdu.length || lengthOf(pdu, true) === pdu.length
  if (n < 4 || !hasCRC(raw) && (exact(raw.subarray(1)) || !exact(raw.subarray(1, n - 2)))) return n
  return n - 2
}

// kindOf tells who sent a PDU: request, reply or exception; a frame that both can send is a request.
function kindOf(pdu, question) {
  if (pdu[0] & 0x80) return 'exception'
  if (question) return 'reply'
  const asRequest = isRequest(pdu)
  const asReply = lengthOf(pdu, true)
  if (asRequest && asReply === pdu.length) {
    if (pdu[0] === 1 || pdu[0] === 2 || pdu[0] === 23) return notAllowed(pdu) ? 'reply' : 'request'
    return 'request'
  }
  if (asRequest) return 'request'
  if (asReply === pdu.length && !(pdu[0] <= 4 && pdu[1] === 0)) return 'reply'
  if (pdu[0] > 4 || pdu.length < 2 || pdu[1] === 0) return 'request'
  return Math.abs(2 + pdu[1] - pdu.length) < Math.abs(5 - pdu.length) ? 'reply' : 'request'
}

// ---- check

// checkRequest looks at a request while it is typed and never throws. frame is the whole
// frame with the right CRC, null as long as the text is none; crc says what the text has:
// good, missing, bad, or '' where that is not known yet.
function checkRequest(typed) {
  const out = { frame: null, crc: '', message: '', explain: [] }
  let raw
  try {
    raw = view(typed)
  } catch (error) {
    out.message = error.message
    if (error.position !== undefined) out.position = error.position
    return out
  }
  if (raw.length > 256) {
    out.message = 'a frame has at most 256 bytes, not ' + raw.length
    return out
  }
  const n = raw.length
  let body = raw
  if (n >= 4 && hasCRC(raw) && isRequest(raw.subarray(1, n - 2))) out.crc = 'good'
  else if (n >= 2 && isRequest(raw.subarray(1)) && !(raw[1] === 8 && n > 6)) out.crc = 'missing'
  else if (n >= 4 && isRequest(raw.subarray(1, n - 2))) out.crc = 'bad'
  if (out.crc === 'good' || out.crc === 'bad') body = raw.subarray(0, n - 2)
  out.explain = explain(raw)
  if (out.crc === '') {
    out.message = unfinished(raw)
    return out
  }
  out.message = notAllowed(body.subarray(1))
  if (out.message) return out
  out.frame = withCRC(body)
  const crc = hex(out.frame.subarray(-2), ' ')
  out.message = { good: 'a whole request, its CRC is right', missing: 'the CRC ' + crc + ' is added', bad: 'wrong CRC ' + hex(raw.subarray(-2), ' ') + ': it must be ' + crc }[out.crc]
  return out
}

function unfinished(raw) {
  if (raw.length === 0) return 'type a request as hex: unit, function, address, quantity, such as 01 04 00 01 00 02'
  if (raw.length === 1) return 'after the unit comes the function, such as 04'
  if (raw[1] === 0 || raw[1] & 0x80) return raw[1] + ' is no function of a request: those are 1 to 127'
  const n = lengthOf(raw.subarray(1), false)
  if (n === 0) return functionWords(raw[1]) + ': its byte count is still missing'
  const missing = n + 1 - raw.length
  if (missing > 0) return functionWords(raw[1]) + ': ' + missing + (missing === 1 ? ' byte is' : ' bytes are') + ' still missing'
  return functionWords(raw[1]) + ' has ' + (n + 1) + ' bytes and 2 of CRC: there are ' + raw.length
}

// ---- value

const SIZES = { int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, uint64: 8, float32: 4, float64: 8 }
const ORDERS = ['big', 'little', 'big-swap', 'little-swap']

// layout completes {type, order, at, scale, decimals}; a text is the type.
function layout(how) {
  const f = Object.assign({ type: 'uint16', order: 'big', at: 0, scale: 1 }, typeof how === 'string' ? { type: how } : how)
  if (!SIZES[f.type]) throw invalid('type "' + f.type + '" is not known: the types are ' + Object.keys(SIZES).join(', '))
  if (!ORDERS.includes(f.order)) throw invalid('order "' + f.order + '" is not known: the orders are ' + ORDERS.join(', '))
  if (!Number.isFinite(f.scale) || f.scale === 0) throw invalid('"scale" is ' + f.scale + ': it must be a number other than 0')
  f.at = whole(f, 'at', 0, 65535)
  return f
}

// ordered puts bytes from an order into big, and back. With A the highest byte of a value,
// big is A B C D, little D C B A, big-swap B A D C, little-swap C D A B.
function ordered(raw, order) {
  let b = Array.from(raw)
  if (order === 'little' || order === 'little-swap') b.reverse()
  if (order === 'big-swap' || order === 'little-swap') b = b.map((_, i) => b[i ^ 1])
  return Uint8Array.from(b)
}

// decode returns the number in registers, as {type, order, at, scale, decimals} says: type
// int16, uint16, int32, uint32, int64, uint64, float32 or float64; order big, little,
// big-swap or little-swap; at, the index of its first register. Without decimals a scaled
// number is rounded to the decimals of its scale. Error: code invalid.
function decode(registers, how) {
  const f = layout(how)
  const size = SIZES[f.type]
  if (!Array.isArray(registers) && !(registers && registers.buffer)) throw invalid('registers must be an array of numbers, not ' + typeof registers)
  const part = Array.from(registers).slice(f.at, f.at + size / 2)
  if (part.length < size / 2) throw invalid(f.type + ' at ' + f.at + ' needs ' + size / 2 + ' registers, there are ' + part.length)
  const b = ordered(words(...part.map(registerValue)), f.order)
  const data = new DataView(b.buffer)
  let value
  switch (f.type) {
    case 'int16': value = data.getInt16(0); break
    case 'uint16': value = data.getUint16(0); break
    case 'int32': value = data.getInt32(0); break
    case 'uint32': value = data.getUint32(0); break
    case 'float32': value = shortest(data.getFloat32(0)); break
    case 'float64': value = data.getFloat64(0); break
    default:
      value = (f.type === 'int64' ? data.getInt32(0) : data.getUint32(0)) * 0x100000000 + data.getUint32(4)
      if (!Number.isSafeInteger(value)) throw invalid('the ' + f.type + ' is beyond 2^53, which JavaScript numbers do not hold exactly')
  }
  if (f.scale === 1 && f.decimals === undefined) return value === 0 ? 0 : value
  return round(value * f.scale, f.decimals === undefined ? decimalsOf(f.scale) : f.decimals)
}

// encode returns the registers that hold a number; the inverse of decode.
function encode(value, how) {
  const f = layout(how)
  if (typeof value !== 'number' || !f.type.startsWith('float') && !Number.isFinite(value)) throw invalid('"' + value + '" is not a number')
  const size = SIZES[f.type]
  const data = new DataView(new ArrayBuffer(size))
  let raw = f.scale === 1 ? value : value / f.scale
  if (f.type === 'float32') data.setFloat32(0, raw)
  else if (f.type === 'float64') data.setFloat64(0, raw)
  else {
    raw = Math.round(raw)
    const bits = 8 * size
    const least = f.type[0] === 'u' ? 0 : -Math.pow(2, bits - 1)
    const most = (f.type[0] === 'u' ? Math.pow(2, bits) : Math.pow(2, bits - 1)) - 1
    if (raw < least || raw > most || !Number.isSafeInteger(raw)) throw invalid(value + ' does not fit ' + f.type)
    if (size === 2) data.setUint16(0, raw)
    else if (size === 4) data.setUint32(0, raw)
    else {
      data.setInt32(0, Math.floor(raw / 0x100000000))
      data.setUint32(4, raw)
    }
  }
  return registersOf(ordered(new Uint8Array(data.buffer), f.order))
}

// shortest returns the number with the fewest digits that is the same float32.
function shortest(value) {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

const decimalsOf = (scale) => {
  const parts = String(scale).split('e')
  return Math.max(0, (parts[0].split('.')[1] || '').length - Number(parts[1] || 0))
}
const round = (value, decimals) => Number.isFinite(value) ? Number(value.toFixed(Math.min(decimals, 20))) : value

// ---- mqtt

//
// What is needed of an MQTT client: publish(topic, payload, qos) and subscribe(topic, qos),
// which may return promises, and which throw if nothing was sent; connected();
// onMessage(f), where f takes (topic, payload, retained); onConnection(f), where f takes
// true after each connect and false after each loss; unsubscribe(topic) and close() if it can.

const notConnected = () => fail('offline', 'the MQTT client is not connected')

// mqttjs adapts a client of MQTT.js, 4.1.0 or 5.
function mqttjs(client) {
  const listeners = []
  const on = (event, f) => {
    client.on(event, f)
    listeners.push([event, f])
  }
  return {
    connected: () => client.connected === true,
    publish(topic, payload, qos) {
      if (!client.connected) throw notConnected() // it would be kept, and sent at any later time
      return new Promise((resolve, reject) => client.publish(topic, payload, { qos }, (error) => error ? reject(error) : resolve()))
    },
    subscribe(topic, qos) {
      // without resubscribe what this client has subscribed to before would not be sent, and nothing retained come
      const filter = { [topic]: { qos, nl: false, rap: false, rh: 0 }, resubscribe: true }
      return new Promise((resolve, reject) => client.subscribe(filter, {}, (error, granted) => {
        if (error) reject(error)
        else if ((granted || []).some((one) => one.qos > 2)) reject(new Error('not granted'))
        else resolve()
      }))
    },
    unsubscribe: (topic) => { client.unsubscribe(topic, () => {}) },
    onMessage: (f) => on('message', (topic, payload, packet) => f(topic, payload, !!(packet && packet.retain))),
    onConnection(f) {
      on('connect', () => f(true))
      for (const event of ['close', 'offline', 'end']) on(event, () => f(false))
    },
    close: () => listeners.forEach((one) => client.removeListener(one[0], one[1]))
  }
}

// paho adapts a client of paho-mqtt 1.1.0. It takes over onMessageArrived, onConnected and
// onConnectionLost and calls what was there before.
function paho(client) {
  let closed = false
  const hook = (name, f) => {
    const before = client[name]
    client[name] = (...args) => {
      if (!closed) f(...args)
      if (before) before.apply(client, args)
    }
  }
  const settled = (start) => new Promise((resolve, reject) => start({
    onSuccess: () => resolve(),
    onFailure: (failure) => reject(new Error(failure.errorMessage || 'not granted'))
  }))
  return {
    connected: () => client.isConnected(),
    publish(topic, payload, qos) {
      if (!client.isConnected()) throw notConnected()
      client.send(topic, payload, qos, false)
    },
    subscribe: (topic, qos) => settled((callbacks) => client.subscribe(topic, Object.assign({ qos, timeout: 10 }, callbacks))),
    unsubscribe: (topic) => client.unsubscribe(topic),
    onMessage: (f) => hook('onMessageArrived', (message) => f(message.destinationName, message.payloadBytes, message.retained)),
    onConnection(f) {
      hook('onConnected', () => f(true))
      hook('onConnectionLost', () => f(false))
    },
    close: () => { closed = true }
  }
}

function adapt(client) {
  if (client && typeof client.onMessage === 'function' && typeof client.onConnection === 'function') return client
  if (client && typeof client.send === 'function' && typeof client.isConnected === 'function') return paho(client)
  if (client && typeof client.on === 'function' && typeof client.publish === 'function') return mqttjs(client)
  throw invalid('this is no client of MQTT.js or paho-mqtt, and no object with publish, subscribe, connected, onMessage and onConnection')
}

// ---- message

const checkName = (what, name) => {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(what + ' "' + name + '": a name has 1 to 64 letters, digits, "_" and "-"')
  return name
}

// guarded calls what an app gave. What it throws is the app's, and must not end the connection.
function guarded(f, value) {
  try {
    f(value)
  } catch (error) {
    setTimeout(() => { throw error }, 0)
  }
}

function parsed(payload) {
  try {
    const value = JSON.parse(text(payload))
    return value && typeof value === 'object' ? value : null
  } catch (error) {
    return null
  }
}

// matches tells whether an MQTT topic filter matches a topic.
function matches(filter, topic) {
  if (filter === topic) return true
  const want = filter.split('/')
  const have = topic.split('/')
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '#') return true
    if (i >= have.length || want[i] !== '+' && want[i] !== have[i]) return i === have.length && want[i] === '#'
  }
  return want.length === have.length
}

// ---- reading

// Observable has values to be subscribed to: subscribe(f, failed) calls f with the latest
// one, if there is one, and with each that follows, and failed with a ModferryError if the
// broker refuses the subscription; it returns a function that ends it.
class Observable {
  constructor(start) {
    this.start = start
    this.listeners = new Set()
    this.last = []
  }

  subscribe(f, failed) {
    const listener = { take: (value) => guarded(f, value), fail: (error) => failed && guarded(failed, error) }
    this.listeners.add(listener)
    const tell = (what, value) => Array.from(this.listeners).forEach((one) => one[what](value))
    if (this.listeners.size > 1) this.last.forEach(listener.take)
    else {
      this.stop = this.start((value) => {
        this.last = [value]
        tell('take', value)
      }, (error) => tell('fail', error))
    }
    return () => {
      if (!this.listeners.delete(listener) || this.listeners.size) return
      this.last = []
      this.stop()
    }
  }
}

function reading(gateway, base, name, options) {
  const how = Object.assign({ form: 'json' }, options)
  if (!['json', 'value', 'hex', 'binary'].includes(how.form)) throw invalid('form "' + how.form + '" is not known: the forms are json, value, hex, binary')
  return new Observable((emit, failed) => {
    let latest = null
    let device // undefined = its status has not come yet
    let shown = ''
    let told = '' // what was told last, less its age
    const away = () => !gateway.connected ? 'connection' : gateway.online === false ? 'gateway' : device === false ? 'device' : ''
    const tell = () => {
      if (!latest) return
      shown = away()
      const out = Object.assign({ offline: shown }, latest)
      if (shown && out.quality === 'good') out.quality = 'stale'
      const key = JSON.stringify([out.value, out.unit, out.quality, out.time, shown])
      if (key === told) return
      told = key
      out.age = out.time ? Math.max(0, Date.now() - out.time.getTime()) : null
      emit(out)
    }
    const changed = () => { if (shown !== away()) tell() }
    gateway.states.add(changed)
    const status = gateway.listen(base + '/status', (message) => {
      device = message.text === 'online'
      changed()
    })
    const values = gateway.listen(base + '/' + name, (message) => {
      const value = sample(message, how)
      if (!value) return
      latest = value
      tell()
    }, failed)
    return () => {
      gateway.states.delete(changed)
      status.stop()
      values.stop()
    }
  })
}

// sample reads the payload of a reading, null if it is none.
function sample(message, how) {
  const now = message.retained ? null : new Date()
  const plain = (value) => ({ value, quality: 'good', time: now })
  if (how.form === 'json') {
    const value = parsed(message.payload)
    if (value && value.value !== undefined) {
      const time = new Date(value.time)
      return { value: value.value, unit: value.unit, quality: value.quality || 'good', time: isNaN(time.getTime()) ? now : time }
    }
  }
  if (how.form === 'hex' || how.form === 'binary') {
    try {
      const raw = how.form === 'hex' ? bytes(message.text) : view(message.payload)
      const data = pduOf(raw).subarray(2)
      const value = plain(raw[1] <= 2 ? bitsOf(data, 8 * data.length)[how.at || 0] : decode(registersOf(data), how))
      return raw[1] & 0x80 ? null : Object.assign(value, { unit: how.unit, frame: raw })
    } catch (error) {
      return null
    }
  }
  try {
    return plain(JSON.parse(message.text))
  } catch (error) {
    return message.text === '' ? null : plain(message.text)
  }
}

// ---- bus

const LONG = 800 // characters of fields that go as a frame instead: a gateway takes 1 KiB

class Bus {
  constructor(gateway, name, options) {
    this.gateway = gateway
    this.name = name
    this.options = options
    if (!['json', 'hex', 'binary'].includes(options.form)) throw invalid('form "' + options.form + '" is not known: the forms are json, hex, binary')
    const base = gateway.prefix + '/bus/' + name
    const client = '/' + checkName('client', options.client)
    this.topics = {
      request: options.request || base + '/request' + client,
      response: options.response || base + '/response' + client,
      error: base + '/error' + (options.request ? '' : client),
      status: base + '/status'
    }
  }

  // request asks a device: with the fields of request(), or a frame as hex text or bytes
  // whose CRC may be missing. Options: timeout in ms, after which the promise is settled
  // whatever happens, and retries, how often a read without an answer is asked again; a
  // write is sent once. It resolves with {ok, unit, function, values, frame, outcome,
  // elapsed} and rejects with a ModferryError.
  request(what, options) {
    try {
      const o = Object.assign({}, this.options, options)
      const job = this.options.form === 'json' ? jsonJob(what) : frameJob(what)
      return this.gateway.channel(this.topics.request, this.topics.response, this.topics.error, Object.assign({ status: this.topics.status, bus: this.name }, this.options)).ask(job, o)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // status returns what the gateway says of the bus: its state, counters and queue.
  status() {
    return new Observable((emit, failed) => this.gateway.listen(this.topics.status, (message) => {
      const value = parsed(message.payload)
      if (value) emit(value)
    }, failed).stop)
  }
}

// sendable checks a frame that an app made itself: its check code and its length.
function sendable(what) {
  const frame = frameOf(what)
  const pdu = pduOf(frame)
  if (!isRequest(pdu)) throw invalid(notAllowed(pdu))
  return frame
}

function jsonJob(what) {
  const fields = what && typeof what === 'object' && what.function !== undefined ? what : null
  const frame = fields ? request(fields) : sendable(what)
  let out = {}
  if (!fields || fields.data !== undefined) out.frame = hex(frame)
  else {
    Object.assign(out, { unit: frame[0], function: frame[1], address: fields.address })
    if (fields.quantity !== undefined) out.quantity = fields.quantity
    const values = fields.values === undefined ? fields.value : fields.values
    if (values !== undefined) out.values = values.buffer ? Array.from(values) : values
    if (fields.write_address !== undefined) out.write_address = fields.write_address
  }
  if (JSON.stringify(out).length > LONG) out = { frame: hex(frame) }
  for (const key of ['timeout_ms', 'expires']) if (fields && fields[key] !== undefined) out[key] = fields[key]
  return { write: isWrite(frame[1]), fields: out }
}

function frameJob(what) {
  const frame = what && typeof what === 'object' && what.function !== undefined ? request(what) : sendable(what)
  if (frame[0] === 0) throw invalid('a broadcast as a frame has no reply: use the form json')
  return { write: isWrite(frame[1]), frame }
}

// ---- channel

const RETRY = ['busy', 'timeout'] // what a read is asked again after
const HINTED = ['exception', 'timeout', 'unavailable', 'busy'] // of other codes the message says why: it was not the device
const PAUSE = 100 // ms before that, doubled each time

// Channel is a pair of topics for requests in JSON, which their id tells apart.
class Channel {
  constructor(gateway, topic, response, options) {
    this.gateway = gateway
    this.topic = topic
    this.response = response
    this.queue = options.queue
    this.limit = options.inFlight
    this.qos = options.qos
    this.jobs = new Set() // all that are not settled
    this.waiting = [] // those of them that are to be sent
    this.flying = new Set() // those of them that are sent
    this.status = options.status // the retained topic of the bus, undefined if there is none
    this.bus = options.bus
    this.exists = false // whether the gateway has said anything of the bus
    this.looking = null // the subscription that tells
    this.listening = [] // the response topic first, and those that can be done without
    this.timer = 0
  }

  open() {
    if (this.listening.length === 0) this.listening = this.topics().map((one) => this.gateway.listen(one[0], one[1]))
    else for (const one of this.listening) if (one.subscription.error) this.gateway.subscribe(one.subscription)
  }

  topics() {
    return [[this.response, (message) => { if (!message.retained) this.reply(message.payload) }]]
  }

  // ask sends a job in its turn and returns a promise that is settled within its timeout.
  ask(job, options) {
    const timeout = options.timeout
    if (!(timeout > 0 && timeout <= 0x7fffffff)) return Promise.reject(invalid('"timeout" is ' + timeout + ': it is a number of milliseconds above 0'))
    if (this.gateway.closed) return Promise.reject(fail('closed', 'the gateway object is closed'))
    if (this.waiting.length >= this.queue) return Promise.reject(fail('queue_full', this.queue + ' requests wait already: nothing was sent', outcome(job, 'refused')))
    return new Promise((resolve, reject) => {
      Object.assign(job, { resolve, reject, timeout, id: this.gateway.nextId(), sent: 0, pause: PAUSE, trouble: '', end: Date.now() + timeout })
      job.tries = job.write ? 1 : 1 + Math.max(0, Math.floor(options.retries) || 0)
      job.slice = timeout / job.tries
      job.deadline = setTimeout(() => this.expired(job), timeout)
      job.look = setTimeout(() => this.look(job), timeout / 2)
      this.jobs.add(job)
      this.waiting.push(job)
      this.open()
      this.pump()
    })
  }

  ready() {
    const g = this.gateway
    const answered = (one, i) => one.subscription.granted || i > 0 && one.subscription.error
    return g.connected && g.online !== false && this.listening.every(answered)
  }

  pump() {
    const refused = this.listening.length ? this.listening[0].subscription.error : null
    if (refused) {
      for (const job of Array.from(this.waiting)) {
        this.fail(job, fail('subscription', refused.message, outcome(job, job.sent ? 'unknown' : 'refused')))
      }
    }
    while (this.ready() && this.flying.size < this.limit) {
      const i = this.waiting.findIndex((job) => this.maySend(job))
      if (i < 0 || !this.send(this.waiting.splice(i, 1)[0])) return
    }
  }

  maySend() {
    return true
  }

  payload(job) {
    return JSON.stringify(Object.assign({ id: job.id }, job.fields))
  }

  // send publishes a job; false: nothing was sent, and it waits again.
  send(job) {
    const trouble = (error) => { job.trouble = error && error.message || String(error) }
    clearTimeout(job.retry)
    this.flying.add(job)
    job.sent++
    job.tries--
    try {
      const done = this.gateway.adapter.publish(this.topic, this.payload(job), this.qos)
      if (done && done.then) done.then(null, trouble)
    } catch (error) {
      trouble(error)
      this.unsent(job)
      this.again(job)
      this.later(250)
      return false
    }
    if (job.tries > 0 && this.jobs.has(job)) job.retry = setTimeout(() => this.again(job), job.slice)
    return true
  }

  unsent(job) {
    job.sent--
    job.tries++
  }

  // again puts a job back to be sent as soon as possible.
  again(job) {
    clearTimeout(job.retry)
    if (!this.jobs.has(job) || this.waiting.includes(job)) return
    this.flying.delete(job)
    this.waiting.unshift(job)
    this.later(0)
  }

  later(ms) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.pump(), ms)
  }

  // lost: what is under way may be lost, or its reply. A read is asked again with the
  // same id; a write stays as it is, because its reply may still come.
  lost(trouble) {
    for (const job of Array.from(this.flying)) {
      job.trouble = trouble
      if (job.write) continue
      job.tries = Math.max(1, job.tries)
      this.again(job)
    }
  }

  // look asks the broker whether there is such a bus, once half of the time is over in silence.
  look(job) {
    if (!this.status || this.exists || this.looking || !job.sent) return
    this.looking = this.gateway.listen(this.status, (message) => { if (message.text) this.found() })
  }

  found() {
    this.exists = true
    if (this.looking) this.looking.stop()
    this.looking = null
  }

  // silence says why there may be no reply, as far as the retained topics tell.
  silence() {
    const g = this.gateway
    if (g.online === undefined) return '; ' + g.prefix + '/status has told nothing yet: check the prefix, and what the broker allows'
    if (!g.online || !this.looking || !this.looking.subscription.granted) return ''
    return '; the gateway ' + g.prefix + ' is online and has no bus "' + this.bus + '", or the broker does not let this client read ' + this.status
  }

  expired(job) {
    const g = this.gateway
    const within = 'within ' + seconds(job.timeout)
    const more = job.trouble ? ' (' + job.trouble + ')' : ''
    if (job.sent > 0) {
      const read = job.write ? '; the write may have been executed: read before you write again' : ''
      this.fail(job, fail('timeout', 'no reply on ' + this.response + ' ' + within + more + this.silence() + read, outcome(job, 'unknown')))
    } else if (!g.connected) this.fail(job, fail('offline', 'no connection to the broker ' + within + ': nothing was sent', outcome(job, 'refused')))
    else if (g.online === false) this.fail(job, fail('offline', 'the gateway ' + g.prefix + ' was offline for ' + seconds(job.timeout) + ': nothing was sent', outcome(job, 'refused')))
    else this.fail(job, fail('timeout', 'the request could not be sent ' + within + (more || ': others were before it') + ': nothing was sent', outcome(job, 'refused')))
  }

  remove(job) {
    clearTimeout(job.deadline)
    clearTimeout(job.look)
    clearTimeout(job.retry)
    this.jobs.delete(job)
    this.flying.delete(job)
    this.waiting = this.waiting.filter((other) => other !== job)
    this.later(0)
  }

  done(job, value) {
    this.found()
    this.remove(job)
    job.resolve(value)
  }

  fail(job, error) {
    this.remove(job)
    job.reject(error)
  }

  // refused: the gateway's or the device's own no. A read may be asked again, under a new
  // id: the old one would be answered from the gateway's memory.
  refused(job, error) {
    this.found()
    clearTimeout(job.retry)
    if (job.tries < 1 || !RETRY.includes(error.code) || Date.now() + job.pause >= job.end) return this.fail(job, error)
    job.id = this.gateway.nextId()
    job.retry = setTimeout(() => this.again(job), job.pause)
    job.pause *= 2
  }

  // reply takes what arrives on the response topic. What answers nothing that is under way
  // is somebody else's, or late.
  reply(payload) {
    const value = parsed(payload)
    if (!value || typeof value.ok !== 'boolean') return
    const job = Array.from(this.jobs).find((one) => one.id === value.id && one.sent > 0)
    if (!job) return
    const out = { ok: value.ok }
    for (const key of ['unit', 'function', 'values', 'value', 'outcome']) if (value[key] !== undefined) out[key] = value[key]
    if (value.elapsed_ms !== undefined) out.elapsed = value.elapsed_ms
    try {
      if (value.frame !== undefined) out.frame = bytes(value.frame)
    } catch (error) {
      // a frame that is no hex text tells an app nothing
    }
    if (value.ok) return this.done(job, out)
    const error = value.error || {}
    delete out.ok
    if (error.exception !== undefined) {
      out.exception = exception(error.exception)
      if (!HINTED.includes(error.code)) out.exception.hint = ''
    }
    this.refused(job, fail(error.code || 'error', error.message || 'the request failed', out))
  }

  close() {
    clearTimeout(this.timer)
    for (const job of Array.from(this.jobs)) this.fail(job, fail('closed', 'closed while the request was under way', outcome(job, job.sent ? 'unknown' : 'refused')))
    clearTimeout(this.timer)
  }
}

// outcome is what an error or a reply says of a write, and nothing of a read.
const outcome = (job, word) => job.write ? { outcome: word } : {}

const seconds = (ms) => ms / 1000 + ' s'

// ---- framechannel

// FrameChannel is a pair of topics for frames. Nothing in a frame says which request it
// answers, so one is under way at a time; and while a reply is owed to a request that was
// given up, the next one to the same unit and function waits until it came or settle is over.
class FrameChannel extends Channel {
  constructor(gateway, topic, response, error, options) {
    super(gateway, topic, response, options)
    this.error = error
    this.form = options.form
    this.limit = 1
    this.settle = options.settle
    this.owed = []
  }

  topics() {
    return super.topics().concat([[this.error, (message) => this.report(message.payload)]])
  }

  payload(job) {
    this.owed.push({ job, unit: job.frame[0], code: job.frame[1], until: Date.now() + this.settle })
    job.echoes = (job.echoes || 0) + (this.topic === this.response ? 1 : 0)
    return this.form === 'hex' ? hex(job.frame) : job.frame
  }

  unsent(job) {
    super.unsent(job)
    this.owed.pop()
    if (job.echoes > 0) job.echoes--
  }

  maySend(job) {
    const now = Date.now()
    this.owed = this.owed.filter((one) => one.until > now || this.jobs.has(one.job))
    const late = this.owed.filter((one) => one.job !== job && one.unit === job.frame[0] && one.code === job.frame[1])
    if (late.length) this.later(Math.max(10, Math.min(...late.map((one) => one.until)) - now))
    return late.length === 0
  }

  // paid takes the oldest reply owed by unit and function off the list.
  paid(unit, code) {
    const i = this.owed.findIndex((one) => one.unit === unit && one.code === code)
    if (i >= 0) this.owed.splice(i, 1)
    this.later(0)
  }

  reply(payload) {
    let raw
    try {
      raw = this.form === 'hex' ? bytes(text(payload)) : view(payload)
    } catch (error) {
      return
    }
    if (!hasCRC(raw)) return
    for (const job of this.jobs) {
      if (!job.sent) continue
      if (job.echoes > 0 && hex(job.frame) === hex(raw)) { // the request itself, on a shared topic
        job.echoes--
        return
      }
      let answer
      try {
        answer = parseReply(job.frame, raw)
      } catch (error) {
        continue
      }
      this.paid(answer.unit, answer.function)
      return this.answered(job, answer)
    }
    this.paid(raw[0], raw[1] & 0x7f)
  }

  answered(job, answer) {
    if (answer.ok) return this.done(job, Object.assign(answer, outcome(job, 'done')))
    const code = { 6: 'busy', 10: 'unavailable', 11: 'timeout' }[answer.exception.code] || 'exception'
    const more = outcome(job, [4, 5, 11].includes(answer.exception.code) ? 'unknown' : 'refused')
    // a frame does not tell the gateway's own refusal from the device's
    if (answer.exception.code < 4) answer.exception.hint += '; or the rules of the bus do not allow it'
    const message = 'unit ' + answer.unit + ' answers exception ' + answer.exception.code + ', ' + answer.exception.name + ': ' + answer.exception.hint
    this.refused(job, fail(code, message, Object.assign(more, { unit: answer.unit, function: answer.function, frame: answer.frame, exception: answer.exception })))
  }

  // report takes what the gateway says of payloads that are no request for it.
  report(payload) {
    const value = parsed(payload)
    if (!value || typeof value.payload !== 'string' || typeof value.code !== 'string') return
    const job = Array.from(this.jobs).find((one) => one.sent > 0 && hex(one.frame).startsWith(value.payload.replace(/…$/, '')) && value.payload !== '')
    if (!job) return
    this.paid(job.frame[0], job.frame[1])
    this.fail(job, fail(value.code, value.message, outcome(job, 'refused')))
  }
}

// ---- gateway

const random = () => Math.random().toString(36).slice(2, 8)

// holders: for each MQTT client, how many gateway objects need which of its subscriptions.
const holders = new WeakMap()

// connect returns the gateway that a connected or connecting MQTT client reaches: a client
// of MQTT.js or paho-mqtt, or an object as above. Options: gateway, its name, or prefix, the
// beginning of its topics; client, the name of this app (its own, and kept); timeout in ms;
// retries of reads; qos; queue, how many requests may wait for each bus.
function connect(client, options) {
  const adapter = adapt(client)
  if (!holders.has(client)) holders.set(client, new Map())
  return new Gateway(adapter, options || {}, holders.get(client))
}

class Gateway {
  constructor(adapter, options, held) {
    this.adapter = adapter
    this.held = held
    this.prefix = options.prefix ? String(options.prefix).replace(/\/$/, '') : 'modferry/' + checkName('gateway', options.gateway)
    this.client = checkName('client', options.client === undefined ? 'app-' + random() : options.client)
    this.defaults = Object.assign({ timeout: 10000, retries: 1, qos: 1, queue: 64, inFlight: 8, settle: 10000, form: 'json' }, options)
    this.connected = false
    this.online = undefined // what the gateway's status topic says
    this.closed = false
    this.epoch = 0 // connections so far
    this.subscriptions = new Map()
    this.channels = new Map()
    this.states = new Set()
    this.ids = this.client.slice(0, 40) + '-' + Date.now().toString(36) + random() + '-'
    this.id = 0
    adapter.onMessage((topic, payload, retained) => this.arrived(topic, payload, retained))
    adapter.onConnection((up) => up ? this.up() : this.down())
    this.listen(this.prefix + '/status', (message) => {
      this.online = message.text === 'online'
      if (this.online && !message.retained) this.lost('the gateway lost its broker meanwhile') // and it has just come back
      this.changed()
    })
    if (adapter.connected()) this.up()
  }

  // bus returns a bus of the gateway. Options beside those of connect: form (json, hex or
  // binary), and the request and response topics of a bus that has fixed ones.
  bus(name, options) {
    return new Bus(this, checkName('bus', name), Object.assign({}, this.defaults, { client: this.client }, options))
  }

  // reading returns the values of a device's reading, to be subscribed to. Options for a
  // device that publishes reply frames: form hex or binary, and type, order, scale as decode has.
  reading(device, name, options) {
    return reading(this, this.prefix + '/device/' + checkName('device', device), checkName('reading', name), options)
  }

  // status returns whether the broker and the gateway are there, to be subscribed to.
  status() {
    return new Observable((emit) => {
      let shown = ''
      const tell = () => {
        const state = { connected: this.connected, gateway: this.online === undefined ? 'unknown' : this.online ? 'online' : 'offline' }
        const key = state.connected + ' ' + state.gateway
        if (key === shown) return
        shown = key
        emit(state)
      }
      tell()
      this.states.add(tell)
      return () => this.states.delete(tell)
    })
  }

  // set writes a value to a reading that can be set: a promise of {ok, value, outcome}.
  set(device, name, value, options) {
    try {
      const topic = this.prefix + '/device/' + checkName('device', device) + '/' + checkName('reading', name) + '/set'
      const o = Object.assign({}, this.defaults, options)
      const channel = this.channel(topic, topic + '/result', '', Object.assign(o, { form: 'json' }))
      return channel.ask({ write: true, fields: { value } }, o)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // watch calls f with {topic, payload, text, retained} for each message on a topic below the
  // prefix; the wildcards + and # may be used. failed gets a ModferryError if the broker
  // refuses that. It returns a function that ends it.
  watch(topic, f, failed) {
    return this.listen(this.prefix + '/' + topic, f, failed).stop
  }

  // close ends everything here; the MQTT client stays connected.
  close() {
    if (this.closed) return
    this.closed = true
    for (const channel of this.channels.values()) channel.close()
    for (const filter of Array.from(this.subscriptions.keys())) this.unlisten(filter)
    this.states.clear()
    if (this.adapter.close) this.adapter.close()
  }

  nextId() {
    return this.ids + (++this.id)
  }

  channel(topic, response, error, options) {
    const key = [topic, response, options.form].join(' ')
    if (!this.channels.has(key)) this.channels.set(key, options.form === 'json' ? new Channel(this, topic, response, options) : new FrameChannel(this, topic, response, error, options))
    return this.channels.get(key)
  }

  // listen subscribes once more if others listen already: the broker repeats what is retained.
  listen(filter, f, failed) {
    let subscription = this.subscriptions.get(filter)
    if (!subscription) {
      this.subscriptions.set(filter, subscription = { filter, handlers: new Set(), granted: false, error: null })
      this.held.set(filter, (this.held.get(filter) || 0) + 1)
    }
    const handler = { take: (message) => guarded(f, message), fail: (error) => failed && guarded(failed, error) }
    subscription.handlers.add(handler)
    this.subscribe(subscription)
    return {
      subscription,
      stop: () => {
        subscription.handlers.delete(handler)
        if (subscription.handlers.size === 0 && this.subscriptions.get(filter) === subscription) this.unlisten(filter)
      }
    }
  }

  unlisten(filter) {
    this.subscriptions.delete(filter)
    const others = this.held.get(filter) - 1
    if (others > 0) this.held.set(filter, others)
    else this.held.delete(filter)
    if (others > 0 || !this.connected || !this.adapter.unsubscribe) return
    try {
      const done = this.adapter.unsubscribe(filter)
      if (done && done.then) done.then(null, () => {})
    } catch (error) {
      // the connection has just gone, and the subscription with it
    }
  }

  subscribe(subscription) {
    if (!this.connected || this.closed) return
    const epoch = this.epoch
    const end = (error) => {
      if (epoch !== this.epoch || this.closed) return
      if (error && !(this.connected && this.adapter.connected())) return // the connection has gone meanwhile
      subscription.granted = !error
      subscription.error = error && fail('subscription', 'the broker does not let this client subscribe to ' + subscription.filter + ': ' + (error.message || error))
      if (error) for (const handler of Array.from(subscription.handlers)) handler.fail(subscription.error)
      this.changed()
    }
    try {
      subscription.error = null
      Promise.resolve(this.adapter.subscribe(subscription.filter, this.defaults.qos)).then(() => end(null), end)
    } catch (error) {
      end(error)
    }
  }

  up() {
    if (this.closed) return
    this.down()
    this.connected = true
    this.epoch++
    for (const subscription of this.subscriptions.values()) this.subscribe(subscription)
    this.changed()
  }

  down() {
    if (!this.connected) return
    this.connected = false
    for (const subscription of this.subscriptions.values()) subscription.granted = false
    this.lost('the connection to the broker was lost meanwhile')
    this.changed()
  }

  lost(trouble) {
    for (const channel of this.channels.values()) channel.lost(trouble)
  }

  changed() {
    for (const channel of this.channels.values()) channel.pump()
    for (const tell of Array.from(this.states)) tell()
  }

  arrived(topic, payload, retained) {
    if (this.closed) return
    const raw = typeof payload === 'string' ? payload : view(payload || [])
    const message = { topic, payload: raw, text: text(raw), retained: !!retained }
    for (const subscription of Array.from(this.subscriptions.values())) {
      if (matches(subscription.filter, topic)) Array.from(subscription.handlers).forEach((handler) => handler.take(message))
    }
  }
}

module.exports = { ModferryError, bytes, hex, text, crc16, withCRC, exception, functionName, isWrite, request, parseRequest, parseReply, explain, checkRequest, decode, encode, mqttjs, paho, connect }
