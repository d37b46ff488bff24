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
