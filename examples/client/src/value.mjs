import { invalid, whole } from './error.mjs'
import { registersOf, words } from './register.mjs'
import { registerValue } from './request.mjs'

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
