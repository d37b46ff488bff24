import { invalid } from './error.mjs'
import { notAllowed, pduOf } from './frame.mjs'
import { isRequest, isWrite } from './function.mjs'
import { hex } from './hex.mjs'
import { checkName, parsed } from './message.mjs'
import { Observable } from './reading.mjs'
import { frameOf } from './reply.mjs'
import { request } from './request.mjs'

const LONG = 800 // characters of fields that go as a frame instead: a gateway takes 1 KiB

export class Bus {
  constructor(gateway, name, options) {
    this.gateway = gateway
    this.name = name
    this.options = options
    if (!['json', 'hex', 'binary'].includes(options.form)) throw invalid('form "' + options.form + '" is not known: the forms are json, hex, binary')
    const base = gateway.prefix + '/bus/' + name
    const client = '/' + checkName('client', options.client)
    this.topics = {
      request: options.request || base + '/request' + client,
      response: options.response || base + '/response' + client,
      error: base + '/error' + (options.request ? '' : client),
      status: base + '/status'
    }
  }

  // request asks a device: with the fields of request(), or a frame as hex text or bytes
  // whose CRC may be missing. Options: timeout in ms, after which the promise is settled
  // whatever happens, and retries, how often a read without an answer is asked again; a
  // write is sent once. It resolves with {ok, unit, function, values, frame, outcome,
  // elapsed} and rejects with a ModferryError.
  request(what, options) {
    try {
      const o = Object.assign({}, this.options, options)
      const job = this.options.form === 'json' ? jsonJob(what) : frameJob(what)
      return this.gateway.channel(this.topics.request, this.topics.response, this.topics.error, Object.assign({ status: this.topics.status, bus: this.name }, this.options)).ask(job, o)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // status returns what the gateway says of the bus: its state, counters and queue.
  status() {
    return new Observable((emit, failed) => this.gateway.listen(this.topics.status, (message) => {
      const value = parsed(message.payload)
      if (value) emit(value)
    }, failed).stop)
  }
}

// sendable checks a frame that an app made itself: its check code and its length.
function sendable(what) {
  const frame = frameOf(what)
  const pdu = pduOf(frame)
  if (!isRequest(pdu)) throw invalid(notAllowed(pdu))
  return frame
}

function jsonJob(what) {
  const fields = what && typeof what === 'object' && what.function !== undefined ? what : null
  const frame = fields ? request(fields) : sendable(what)
  let out = {}
  if (!fields || fields.data !== undefined) out.frame = hex(frame)
  else {
    Object.assign(out, { unit: frame[0], function: frame[1], address: fields.address })
    if (fields.quantity !== undefined) out.quantity = fields.quantity
    const values = fields.values === undefined ? fields.value : fields.values
    if (values !== undefined) out.values = values.buffer ? Array.from(values) : values
    if (fields.write_address !== undefined) out.write_address = fields.write_address
  }
  if (JSON.stringify(out).length > LONG) out = { frame: hex(frame) }
  for (const key of ['timeout_ms', 'expires']) if (fields && fields[key] !== undefined) out[key] = fields[key]
  return { write: isWrite(frame[1]), fields: out }
}

function frameJob(what) {
  const frame = what && typeof what === 'object' && what.function !== undefined ? request(what) : sendable(what)
  if (frame[0] === 0) throw invalid('a broadcast as a frame has no reply: use the form json')
  return { write: isWrite(frame[1]), frame }
}
