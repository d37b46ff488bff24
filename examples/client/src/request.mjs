import { withCRC } from './crc.mjs'
import { invalid, whole } from './error.mjs'
import { MOST, MOST_23, notAllowed } from './frame.mjs'
import { FUNCTIONS, functionWords } from './function.mjs'
import { view } from './hex.mjs'
import { packed, words } from './register.mjs'

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

export function registerValue(value) {
  if (!Number.isInteger(value) || value < -32768 || value > 65535) throw invalid('"values" has ' + value + ': a register holds a whole number, -32768 to 65535')
  return value & 0xffff
}
