import { hasCRC, withCRC } from './crc.mjs'
import { explain } from './explain.mjs'
import { notAllowed } from './frame.mjs'
import { functionWords, isRequest, lengthOf } from './function.mjs'
import { hex, view } from './hex.mjs'

// checkRequest looks at a request while it is typed and never throws. frame is the whole
// frame with the right CRC, null as long as the text is none; crc says what the text has:
// good, missing, bad, or '' where that is not known yet.
export function checkRequest(typed) {
  const out = { frame: null, crc: '', message: '', explain: [] }
  let raw
  try {
    raw = view(typed)
  } catch (error) {
    out.message = error.message
    if (error.position !== undefined) out.position = error.position
    return out
  }
  if (raw.length > 256) {
    out.message = 'a frame has at most 256 bytes, not ' + raw.length
    return out
  }
  const n = raw.length
  let body = raw
  if (n >= 4 && hasCRC(raw) && isRequest(raw.subarray(1, n - 2))) out.crc = 'good'
  else if (n >= 2 && isRequest(raw.subarray(1)) && !(raw[1] === 8 && n > 6)) out.crc = 'missing'
  else if (n >= 4 && isRequest(raw.subarray(1, n - 2))) out.crc = 'bad'
  if (out.crc === 'good' || out.crc === 'bad') body = raw.subarray(0, n - 2)
  out.explain = explain(raw)
  if (out.crc === '') {
    out.message = unfinished(raw)
    return out
  }
  out.message = notAllowed(body.subarray(1))
  if (out.message) return out
  out.frame = withCRC(body)
  const crc = hex(out.frame.subarray(-2), ' ')
  out.message = { good: 'a whole request, its CRC is right', missing: 'the CRC ' + crc + ' is added', bad: 'wrong CRC ' + hex(raw.subarray(-2), ' ') + ': it must be ' + crc }[out.crc]
  return out
}

function unfinished(raw) {
  if (raw.length === 0) return 'type a request as hex: unit, function, address, quantity, such as 01 04 00 01 00 02'
  if (raw.length === 1) return 'after the unit comes the function, such as 04'
  if (raw[1] === 0 || raw[1] & 0x80) return raw[1] + ' is no function of a request: those are 1 to 127'
  const n = lengthOf(raw.subarray(1), false)
  if (n === 0) return functionWords(raw[1]) + ': its byte count is still missing'
  const missing = n + 1 - raw.length
  if (missing > 0) return functionWords(raw[1]) + ': ' + missing + (missing === 1 ? ' byte is' : ' bytes are') + ' still missing'
  return functionWords(raw[1]) + ' has ' + (n + 1) + ' bytes and 2 of CRC: there are ' + raw.length
}
