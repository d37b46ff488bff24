import { Channel, outcome } from './channel.mjs'
import { hasCRC } from './crc.mjs'
import { fail } from './error.mjs'
import { bytes, hex, text, view } from './hex.mjs'
import { parsed } from './message.mjs'
import { parseReply } from './reply.mjs'

// FrameChannel is a pair of topics for frames. Nothing in a frame says which request it
// answers, so one is under way at a time; and while a reply is owed to a request that was
// given up, the next one to the same unit and function waits until it came or settle is over.
export class FrameChannel extends Channel {
  constructor(gateway, topic, response, error, options) {
    super(gateway, topic, response, options)
    this.error = error
    this.form = options.form
    this.limit = 1
    this.settle = options.settle
    this.owed = []
  }

  topics() {
    return super.topics().concat([[this.error, (message) => this.report(message.payload)]])
  }

  payload(job) {
    this.owed.push({ job, unit: job.frame[0], code: job.frame[1], until: Date.now() + this.settle })
    job.echoes = (job.echoes || 0) + (this.topic === this.response ? 1 : 0)
    return this.form === 'hex' ? hex(job.frame) : job.frame
  }

  unsent(job) {
    super.unsent(job)
    this.owed.pop()
    if (job.echoes > 0) job.echoes--
  }

  maySend(job) {
    const now = Date.now()
    this.owed = this.owed.filter((one) => one.until > now || this.jobs.has(one.job))
    const late = this.owed.filter((one) => one.job !== job && one.unit === job.frame[0] && one.code === job.frame[1])
    if (late.length) this.later(Math.max(10, Math.min(...late.map((one) => one.until)) - now))
    return late.length === 0
  }

  // paid takes the oldest reply owed by unit and function off the list.
  paid(unit, code) {
    const i = this.owed.findIndex((one) => one.unit === unit && one.code === code)
    if (i >= 0) this.owed.splice(i, 1)
    this.later(0)
  }

  reply(payload) {
    let raw
    try {
      raw = this.form === 'hex' ? bytes(text(payload)) : view(payload)
    } catch (error) {
      return
    }
    if (!hasCRC(raw)) return
    for (const job of this.jobs) {
      if (!job.sent) continue
      if (job.echoes > 0 && hex(job.frame) === hex(raw)) { // the request itself, on a shared topic
        job.echoes--
        return
      }
      let answer
      try {
        answer = parseReply(job.frame, raw)
      } catch (error) {
        continue
      }
      this.paid(answer.unit, answer.function)
      return this.answered(job, answer)
    }
    this.paid(raw[0], raw[1] & 0x7f)
  }

  answered(job, answer) {
    if (answer.ok) return this.done(job, Object.assign(answer, outcome(job, 'done')))
    const code = { 6: 'busy', 10: 'unavailable', 11: 'timeout' }[answer.exception.code] || 'exception'
    const more = outcome(job, [4, 5, 11].includes(answer.exception.code) ? 'unknown' : 'refused')
    // a frame does not tell the gateway's own refusal from the device's
    if (answer.exception.code < 4) answer.exception.hint += '; or the rules of the bus do not allow it'
    const message = 'unit ' + answer.unit + ' answers exception ' + answer.exception.code + ', ' + answer.exception.name + ': ' + answer.exception.hint
    this.refused(job, fail(code, message, Object.assign(more, { unit: answer.unit, function: answer.function, frame: answer.frame, exception: answer.exception })))
  }

  // report takes what the gateway says of payloads that are no request for it.
  report(payload) {
    const value = parsed(payload)
    if (!value || typeof value.payload !== 'string' || typeof value.code !== 'string') return
    const job = Array.from(this.jobs).find((one) => one.sent > 0 && hex(one.frame).startsWith(value.payload.replace(/…$/, '')) && value.payload !== '')
    if (!job) return
    this.paid(job.frame[0], job.frame[1])
    this.fail(job, fail(value.code, value.message, outcome(job, 'refused')))
  }
}
