// Requests to a bus, one after the other, each with one answer: the reply, what the gateway says against
// it, or that nothing came in time.

const { bytes, hex, parseReply, parseRequest, text } = require('modferry-client')

const TIMEOUT = 40000 // ms: as long as a gateway may keep a request (30 s), and the device's own time

// forms: how a frame travels. Only JSON carries an id; the others are matched by what is in them.
const forms = {
  JSON: {
    payload: (frame, id) => JSON.stringify({ id, frame: hex(frame) }),
    reply(payload, request) {
      const answer = JSON.parse(text(payload))
      return answer.id === request.id ? answer : null
    }
  },
  hex: {
    payload: (frame) => hex(frame),
    reply: (payload, request) => matching(bytes(text(payload)), request)
  },
  binary: {
    payload: (frame) => frame, // a Uint8Array
    reply: matching
  }
}

// matching returns the answer if reply is an intact one to request: parseReply looks at its check code,
// unit, function, length and what it repeats.
function matching(reply, request) {
  parseReply(request.frame, reply)
  return { frame: hex(reply) }
}

class Requests {
  // publish(payload, qos) throws when there is no connection; prefix begins the ids.
  constructor(publish, prefix, timeout) {
    this._publish = publish
    this._prefix = prefix + '-' + Date.now().toString(36)
    this._timeout = timeout || TIMEOUT
    this._count = 0
    this._open = null
  }

  // ask sends a whole RTU frame, a Uint8Array, and resolves with {frame, outcome, elapsed}: the reply as
  // hex, what became of a write ('done', 'refused', 'unknown', or '' if nobody said), and ms.
  // It rejects with an error whose message is for people and whose outcome is the same.
  ask(frame, form, qos) {
    if (this._open) return Promise.reject(failure('the last request has no answer yet', 'refused'))
    const id = this._prefix + '-' + (++this._count)
    const payload = forms[form].payload(frame, id)
    return new Promise((resolve, reject) => {
      const request = { id, frame, form, payload, start: Date.now(), resolve, reject }
      try {
        this._publish(payload, qos)
      } catch (error) {
        return reject(failure(error.message, 'refused'))
      }
      request.timer = setTimeout(() => this._settle(reject, failure('no reply within ' + this._timeout / 1000 + ' s', 'unknown')), this._timeout)
      this._open = request
    })
  }

  // arrived takes what came on the response topic. What is no reply to the open request is not for us:
  // late, twice, or damaged.
  arrived(payload) {
    const request = this._open
    if (!request) return
    let answer
    try {
      answer = forms[request.form].reply(payload, request)
    } catch (error) {
      return
    }
    if (!answer) return
    const outcome = answer.outcome || (parseRequest(request.frame).write ? outcomeOf(answer.frame) : '')
    if (answer.frame) return this._settle(request.resolve, { frame: answer.frame, outcome, elapsed: Date.now() - request.start })
    this._settle(request.reject, failure((answer.error && answer.error.message) || 'the gateway refused it', outcome))
  }

  // refused takes what came on the error topic: why a payload was no request.
  refused(payload) {
    let report
    try {
      report = JSON.parse(text(payload))
    } catch (error) {
      return
    }
    const request = this._open
    const sent = request && (typeof request.payload === 'string' ? request.payload : hex(request.payload))
    if (request && same(report.payload, sent)) this._settle(request.reject, failure(report.message || report.code, 'refused'))
  }

  _settle(how, result) {
    clearTimeout(this._open.timer)
    this._open = null
    how(result)
  }
}

const same = (a, b) => String(a).replace(/\s/g, '').toUpperCase() === b.replace(/\s/g, '').toUpperCase()

function failure(message, outcome) {
  const error = new Error(message)
  error.outcome = outcome
  return error
}

// outcomeOf tells what a reply frame says of a write. Exceptions 4, 5 and 11 leave it open.
function outcomeOf(frame) {
  const reply = bytes(frame)
  if (!(reply[1] & 0x80)) return 'done'
  return [4, 5, 11].indexOf(reply[2]) >= 0 ? 'unknown' : 'refused'
}

module.exports = { Requests, forms: Object.keys(forms) }
