import { view } from './hex.mjs'

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
  const frame = new Uint8Array(body.length + 2)
  frame.set(body)
  frame.set([crc & 0xff, crc >> 8], body.length)
  return frame
}

export function hasCRC(frame) {
  const n = frame.length
  return n >= 4 && crc16(frame.subarray(0, n - 2)) === (frame[n - 2] | frame[n - 1] << 8)
}
