import { fail } from './error.mjs'

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
export function hex(data, separator) {
  return Array.from(view(data), (byte) => hexByte(byte)).join(separator || '')
}

const hexByte = (byte) => byte.toString(16).toUpperCase().padStart(2, '0')
export const hexWord = (word) => word.toString(16).toUpperCase().padStart(4, '0')

// view returns what is in text, a Uint8Array, an ArrayBuffer or an array of numbers as bytes.
export function view(data) {
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
