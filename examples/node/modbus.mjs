// The little that an app needs to know of Modbus RTU frames. It runs anywhere:
// in Node.js, a browser, a mini-program.

// fromHex returns the bytes of hex text; blanks between bytes are allowed, anything else is an error.
export function fromHex(text) {
  const digits = text.replace(/\s+/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new Error(`not hex: ${text}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

// toHex returns bytes as hex text.
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase()
}

// crc returns the check code of a frame without one, in the order in which it is sent.
export function crc(bytes) {
  let value = 0xffff
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ 0xa001 : value >> 1
  }
  return [value & 0xff, value >> 8]
}

// answers tells whether reply is an intact reply to request: check code, unit and
// function. On a topic that requests and replies share, an app also sees requests.
export function answers(request, reply) {
  if (reply.length < 5 || toHex(reply) === toHex(request) && !isWrite(request)) return false
  const [low, high] = crc(reply.subarray(0, -2))
  return reply.at(-2) === low && reply.at(-1) === high &&
    reply[0] === request[0] && (reply[1] & 0x7f) === request[1]
}

// isWrite: functions 5, 6, 8 and 22 are answered by the request itself.
function isWrite(request) {
  return [5, 6, 8, 22].includes(request[1])
}

// explain says what a reply means; an exception is an error.
export function explain(reply) {
  if (reply[1] & 0x80) throw new Error(`Modbus exception ${reply[2]}`)
  if (reply[1] !== 3 && reply[1] !== 4) return toHex(reply)
  const registers = []
  for (let at = 3; at < reply.length - 2; at += 2) registers.push((reply[at] << 8) | reply[at + 1])
  return 'registers ' + registers.join(' ')
}
