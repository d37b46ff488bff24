// Registers are sent high byte first; bits eight to a byte, the first in the lowest place [4.2, 6.1].

export const word = (b, at) => b[at] << 8 | b[at + 1]
export const words = (...values) => [].concat(...values.map((value) => [value >> 8 & 0xff, value & 0xff]))
export const bitsOf = (data, n) => Array.from({ length: n }, (_, i) => (data[i >> 3] >> (i & 7) & 1) === 1)
export const registersOf = (data) => Array.from({ length: data.length >> 1 }, (_, i) => word(data, 2 * i))

export function packed(bits) {
  const out = new Array(Math.ceil(bits.length / 8)).fill(0)
  bits.forEach((on, i) => { if (on) out[i >> 3] |= 1 << (i & 7) })
  return out
}
