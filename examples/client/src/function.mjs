// name, then bytes of a request's PDU and of a reply's, each [base, index of a byte count];
// a base of -1: the bytes do not tell.
export const FUNCTIONS = {
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

export const functionWords = (code) => functionName(code).replace(/_/g, ' ') ||
  (code >= 65 && code <= 72 || code >= 100 && code <= 110 ? "a function of the device's maker" : code === 0 ? 'no function' : 'not a standard function')

// lengthOf returns how long a PDU that begins with pdu must be: 0 = more bytes are needed
// to tell, -1 = its bytes do not tell.
export function lengthOf(pdu, reply) {
  const known = FUNCTIONS[pdu[0]]
  if (reply && pdu[0] & 0x80) return 2
  if (!known) return -1
  const base = known[reply ? 2 : 1][0]
  const count = known[reply ? 2 : 1][1]
  if (base < 0 || count === undefined) return base
  return pdu.length > count ? base + pdu[count] : 0
}

// isRequest tells whether a PDU has a length that a request of its function can have.
export function isRequest(pdu) {
  if (pdu.length < 1 || pdu.length > 253 || pdu[0] === 0 || pdu[0] & 0x80) return false
  if (pdu[0] === 8 && pdu.length > 5) return pdu.length % 2 === 1 && pdu[1] === 0 && pdu[2] === 0 // loopback of any length [6.8.1]
  const n = lengthOf(pdu, false)
  return n === pdu.length || n < 0
}
