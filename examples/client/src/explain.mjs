import { crc16, hasCRC } from './crc.mjs'
import { notAllowed } from './frame.mjs'
import { FUNCTIONS, exception, functionWords, isRequest, lengthOf } from './function.mjs'
import { hex, hexWord, view } from './hex.mjs'
import { word } from './register.mjs'
import { frameOf } from './reply.mjs'

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
