import { crc16, hasCRC } from './crc.mjs'
import { fail, invalid } from './error.mjs'
import { functionName, functionWords, isRequest, isWrite, lengthOf } from './function.mjs'
import { hex, hexWord, view } from './hex.mjs'
import { bitsOf, registersOf, word } from './register.mjs'

export const MOST = { 1: 2000, 2: 2000, 3: 125, 4: 125, 15: 1968, 16: 123, 23: 125 } // quantities of one request [6]
export const MOST_23 = 121 // registers that function 23 writes

// notAllowed says why the specification does not allow a request PDU, '' if it does.
export function notAllowed(pdu) {
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
export function pduOf(frame) {
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
