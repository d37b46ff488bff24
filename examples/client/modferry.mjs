// modferry-client: Modbus over MQTT from JavaScript. The first half knows Modbus and
// nothing else: hex text, check codes, frames. The second half asks a modferry gateway
// over any MQTT client. It needs nothing but the language as of 2017 and setTimeout, so
// it runs in browsers, Node.js, WeChat mini-programs, uni-app and Taro as it is.
// Bracketed references are to the Modbus application protocol V1.1b3.

// ---- errors

// ModferryError is the only error thrown or rejected with here. Its code says what to
// do; message is one sentence for people.
export class ModferryError extends Error {
  constructor(code, message, more) {
    super(message)
    this.name = 'ModferryError'
    this.code = code
    for (const key of Object.keys(more || {})) this[key] = more[key]
  }
}

const fail = (code, message, more) => new ModferryError(code, message, more)

// ---- hex text

const BLANK = ' \t\r\n'
const SEPARATORS = BLANK + ',-:'
const HEX_ADVICE = ': write each byte as two hex digits, such as 01 04 00 01 00 02'
const digit = (c) => '0123456789abcdef'.indexOf(c.toLowerCase())
const isDigit = (c) => c !== undefined && c !== '' && digit(c) >= 0

// bytes returns the bytes of hex text, in the ways in which a gateway takes it: digits in
// either case, with or without 0x, in groups between white space, ',', '-' and ':'. Empty
// text has no bytes. Error: code hex, position is the index of the first wrong character.
export function bytes(text) {
  if (typeof text !== 'string') throw fail('hex', 'hex digits must be a text, not ' + typeof text, { position: 0 })
  let end = text.length
  while (end > 0 && SEPARATORS.includes(text[end - 1])) end--
  let at = 0
  while (at < end && BLANK.includes(text[at])) at++
  const out = []
  const prefixed = () => at + 1 < end && text[at] === '0' && (text[at + 1] === 'x' || text[at + 1] === 'X')
  const stop = (message) => fail('hex', message + HEX_ADVICE, { position: at })
  const unexpected = () => at >= end
    ? stop('there are no hex digits after 0x')
    : stop("'" + String.fromCodePoint(text.codePointAt(at)) + "' at position " + (at + 1) + ' is not a hex digit')
  const odd = (start) => {
    if (at + 1 < end && !SEPARATORS.includes(text[at + 1])) {
      at++
      return unexpected()
    }
    return stop(at === start
      ? 'the single hex digit "' + text[at] + '" is not a byte'
      : (at + 1 - start) + ' hex digits in a row are not a whole number of bytes')
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
export function hex(data, separator) {
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
export function text(data) {
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

// ---- check code

// crc16 returns the CRC of RTU frames as a number; on the wire its low byte comes first.
export function crc16(data) {
  let crc = 0xffff
  for (const byte of view(data)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1
  }
  return crc
}

// withCRC returns data, unit and PDU, as a whole RTU frame.
export function withCRC(data) {
  const body = view(data)
  const crc = crc16(body)
  return join(body, [crc & 0xff, crc >> 8])
}

function hasCRC(frame) {
  const n = frame.length
  return n >= 4 && crc16(frame.subarray(0, n - 2)) === (frame[n - 2] | frame[n - 1] << 8)
}

function join(head, tail) {
  const out = new Uint8Array(head.length + tail.length)
  out.set(head)
  out.set(tail, head.length)
  return out
}

// ---- functions and exceptions

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
export function exception(code) {
  const known = EXCEPTIONS[code] || ['unknown exception', "the code is the device maker's own; see the device's manual"]
  return { code, name: known[0], hint: known[1] }
}

// functionName returns the name of a function code, such as "read_input_registers", ''
// for one that the standard does not define.
export function functionName(code) {
  return FUNCTIONS[code] ? FUNCTIONS[code][0] : ''
}

// isWrite tells whether a function may change the device. Those that the standard does
// not define count as writes: nobody can know.
export function isWrite(code) {
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

const word = (b, at) => b[at] << 8 | b[at + 1]
const words = (...values) => [].concat(...values.map((value) => [value >> 8 & 0xff, value & 0xff]))

// ---- requests

const FIELDS = ['unit', 'function', 'address', 'quantity', 'values', 'value', 'write_address', 'data', 'timeout_ms', 'expires']
const MOST = { 1: 2000, 2: 2000, 3: 125, 4: 125, 15: 1968, 16: 123, 23: 125 } // quantities of one request [6]
const MOST_23 = 121 // registers that function 23 writes

const invalid = (message) => fail('invalid', message)

function whole(fields, key, least, most, otherwise) {
  const value = fields[key] === undefined ? otherwise : fields[key]
  if (value === undefined) throw invalid('"' + key + '" is missing')
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalid('"' + key + '" is ' + value + ': it must be a whole number, ' + least + ' to ' + most)
  }
  return value
}

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
export function request(fields) {
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

function packed(bits) {
  const out = new Array(Math.ceil(bits.length / 8)).fill(0)
  bits.forEach((on, i) => { if (on) out[i >> 3] |= 1 << (i & 7) })
  return out
}

const bitsOf = (data, n) => Array.from({ length: n }, (_, i) => (data[i >> 3] >> (i & 7) & 1) === 1)
const registersOf = (data) => Array.from({ length: data.length >> 1 }, (_, i) => word(data, 2 * i))

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
export function parseRequest(frame) {
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

// whole frame of a request given as fields, bytes or hex text; a missing CRC is added.
function frameOf(what) {
  if (what && typeof what === 'object' && what.function !== undefined) return request(what)
  const raw = view(what)
  if (hasCRC(raw) && isRequest(raw.subarray(1, raw.length - 2))) return raw
  return raw.length >= 2 && notAllowed(raw.subarray(1)) === '' ? withCRC(raw) : raw
}

// ---- replies

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

// checkRequest looks at a request while it is typed and never throws. frame is the whole
// frame with the right CRC, null as long as the text is none; crc says what the text has:
// good, missing, bad, or '' where that is not known yet.
export function checkRequest(typed) {
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

// ---- typed values

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
export function decode(registers, how) {
  const f = layout(how)
  const size = SIZES[f.type]
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
  if (f.scale === 1 && f.decimals === undefined) return value
  return round(value * f.scale, f.decimals === undefined ? decimalsOf(f.scale) : f.decimals)
}

// encode returns the registers that hold a number; the inverse of decode.
export function encode(value, how) {
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
  for (let digits = 6; digits < 9; digits++) {
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

// ---- explaining

// explain takes an RTU frame apart, with or without its CRC, as a list of fields in the
// order of the bytes: {from, to, name, value, text}, where to is the index behind the last
// byte. It never fails on bytes, whatever they are. request, if it is known, gives the
// values of its reply their addresses. Error: code hex.
export function explain(data, asked) {
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
