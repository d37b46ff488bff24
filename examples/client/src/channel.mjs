import { fail, invalid } from './error.mjs'
import { exception } from './function.mjs'
import { bytes } from './hex.mjs'
import { parsed } from './message.mjs'

const RETRY = ['busy', 'timeout'] // what a read is asked again after
const HINTED = ['exception', 'timeout', 'unavailable', 'busy'] // of other codes the message says why: it was not the device
const PAUSE = 100 // ms before that, doubled each time

// Channel is a pair of topics for requests in JSON, which their id tells apart.
export class Channel {
  constructor(gateway, topic, response, options) {
    this.gateway = gateway
    this.topic = topic
    this.response = response
    this.queue = options.queue
    this.limit = options.inFlight
    this.qos = options.qos
    this.jobs = new Set() // all that are not settled
    this.waiting = [] // those of them that are to be sent
    this.flying = new Set() // those of them that are sent
    this.status = options.status // the retained topic of the bus, undefined if there is none
    this.bus = options.bus
    this.exists = false // whether the gateway has said anything of the bus
    this.looking = null // the subscription that tells
    this.listening = [] // the response topic first, and those that can be done without
    this.timer = 0
  }

  open() {
    if (this.listening.length === 0) this.listening = this.topics().map((one) => this.gateway.listen(one[0], one[1]))
    else for (const one of this.listening) if (one.subscription.error) this.gateway.subscribe(one.subscription)
  }

  topics() {
    return [[this.response, (message) => { if (!message.retained) this.reply(message.payload) }]]
  }

  // ask sends a job in its turn and returns a promise that is settled within its timeout.
  ask(job, options) {
    const timeout = options.timeout
    if (!(timeout > 0 && timeout <= 0x7fffffff)) return Promise.reject(invalid('"timeout" is ' + timeout + ': it is a number of milliseconds above 0'))
    if (this.gateway.closed) return Promise.reject(fail('closed', 'the gateway object is closed'))
    if (this.waiting.length >= this.queue) return Promise.reject(fail('queue_full', this.queue + ' requests wait already: nothing was sent', outcome(job, 'refused')))
    return new Promise((resolve, reject) => {
      Object.assign(job, { resolve, reject, timeout, id: this.gateway.nextId(), sent: 0, pause: PAUSE, trouble: '', end: Date.now() + timeout })
      job.tries = job.write ? 1 : 1 + Math.max(0, Math.floor(options.retries) || 0)
      job.slice = timeout / job.tries
      job.deadline = setTimeout(() => this.expired(job), timeout)
      job.look = setTimeout(() => this.look(job), timeout / 2)
      this.jobs.add(job)
      this.waiting.push(job)
      this.open()
      this.pump()
    })
  }

  ready() {
    const g = this.gateway
    const answered = (one, i) => one.subscription.granted || i > 0 && one.subscription.error
    return g.connected && g.online !== false && this.listening.every(answered)
  }

  pump() {
    const refused = this.listening.length ? this.listening[0].subscription.error : null
    if (refused) {
      for (const job of Array.from(this.waiting)) {
        this.fail(job, fail('subscription', refused.message, outcome(job, job.sent ? 'unknown' : 'refused')))
      }
    }
    while (this.ready() && this.flying.size < this.limit) {
      const i = this.waiting.findIndex((job) => this.maySend(job))
      if (i < 0 || !this.send(this.waiting.splice(i, 1)[0])) return
    }
  }

  maySend() {
    return true
  }

  payload(job) {
    return JSON.stringify(Object.assign({ id: job.id }, job.fields))
  }

  // send publishes a job; false: nothing was sent, and it waits again.
  send(job) {
    const trouble = (error) => { job.trouble = error && error.message || String(error) }
    clearTimeout(job.retry)
    this.flying.add(job)
    job.sent++
    job.tries--
    try {
      const done = this.gateway.adapter.publish(this.topic, this.payload(job), this.qos)
      if (done && done.then) done.then(null, trouble)
    } catch (error) {
      trouble(error)
      this.unsent(job)
      this.again(job)
      this.later(250)
      return false
    }
    if (job.tries > 0 && this.jobs.has(job)) job.retry = setTimeout(() => this.again(job), job.slice)
    return true
  }

  unsent(job) {
    job.sent--
    job.tries++
  }

  // again puts a job back to be sent as soon as possible.
  again(job) {
    clearTimeout(job.retry)
    if (!this.jobs.has(job) || this.waiting.includes(job)) return
    this.flying.delete(job)
    this.waiting.unshift(job)
    this.later(0)
  }

  later(ms) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.pump(), ms)
  }

  // lost: what is under way may be lost, or its reply. A read is asked again with the
  // same id; a write stays as it is, because its reply may still come.
  lost(trouble) {
    for (const job of Array.from(this.flying)) {
      job.trouble = trouble
      if (job.write) continue
      job.tries = Math.max(1, job.tries)
      this.again(job)
    }
  }

  // look asks the broker whether there is such a bus, once half of the time is over in silence.
  look(job) {
    if (!this.status || this.exists || this.looking || !job.sent) return
    this.looking = this.gateway.listen(this.status, (message) => { if (message.text) this.found() })
  }

  found() {
    this.exists = true
    if (this.looking) this.looking.stop()
    this.looking = null
  }

  // silence says why there may be no reply, as far as the retained topics tell.
  silence() {
    const g = this.gateway
    if (g.online === undefined) return '; ' + g.prefix + '/status has told nothing yet: check the prefix, and what the broker allows'
    if (!g.online || !this.looking || !this.looking.subscription.granted) return ''
    return '; the gateway ' + g.prefix + ' is online and has no bus "' + this.bus + '", or the broker does not let this client read ' + this.status
  }

  expired(job) {
    const g = this.gateway
    const within = 'within ' + seconds(job.timeout)
    const more = job.trouble ? ' (' + job.trouble + ')' : ''
    if (job.sent > 0) {
      const read = job.write ? '; the write may have been executed: read before you write again' : ''
      this.fail(job, fail('timeout', 'no reply on ' + this.response + ' ' + within + more + this.silence() + read, outcome(job, 'unknown')))
    } else if (!g.connected) this.fail(job, fail('offline', 'no connection to the broker ' + within + ': nothing was sent', outcome(job, 'refused')))
    else if (g.online === false) this.fail(job, fail('offline', 'the gateway ' + g.prefix + ' was offline for ' + seconds(job.timeout) + ': nothing was sent', outcome(job, 'refused')))
    else this.fail(job, fail('timeout', 'the request could not be sent ' + within + (more || ': others were before it') + ': nothing was sent', outcome(job, 'refused')))
  }

  remove(job) {
    clearTimeout(job.deadline)
    clearTimeout(job.look)
    clearTimeout(job.retry)
    this.jobs.delete(job)
    this.flying.delete(job)
    this.waiting = this.waiting.filter((other) => other !== job)
    this.later(0)
  }

  done(job, value) {
    this.found()
    this.remove(job)
    job.resolve(value)
  }

  fail(job, error) {
    this.remove(job)
    job.reject(error)
  }

  // refused: the gateway's or the device's own no. A read may be asked again, under a new
  // id: the old one would be answered from the gateway's memory.
  refused(job, error) {
    this.found()
    clearTimeout(job.retry)
    if (job.tries < 1 || !RETRY.includes(error.code) || Date.now() + job.pause >= job.end) return this.fail(job, error)
    job.id = this.gateway.nextId()
    job.retry = setTimeout(() => this.again(job), job.pause)
    job.pause *= 2
  }

  // reply takes what arrives on the response topic. What answers nothing that is under way
  // is somebody else's, or late.
  reply(payload) {
    const value = parsed(payload)
    if (!value || typeof value.ok !== 'boolean') return
    const job = Array.from(this.jobs).find((one) => one.id === value.id && one.sent > 0)
    if (!job) return
    const out = { ok: value.ok }
    for (const key of ['unit', 'function', 'values', 'value', 'outcome']) if (value[key] !== undefined) out[key] = value[key]
    if (value.elapsed_ms !== undefined) out.elapsed = value.elapsed_ms
    try {
      if (value.frame !== undefined) out.frame = bytes(value.frame)
    } catch (error) {
      // a frame that is no hex text tells an app nothing
    }
    if (value.ok) return this.done(job, out)
    const error = value.error || {}
    delete out.ok
    if (error.exception !== undefined) {
      out.exception = exception(error.exception)
      if (!HINTED.includes(error.code)) out.exception.hint = ''
    }
    this.refused(job, fail(error.code || 'error', error.message || 'the request failed', out))
  }

  close() {
    clearTimeout(this.timer)
    for (const job of Array.from(this.jobs)) this.fail(job, fail('closed', 'closed while the request was under way', outcome(job, job.sent ? 'unknown' : 'refused')))
    clearTimeout(this.timer)
  }
}

// outcome is what an error or a reply says of a write, and nothing of a read.
export const outcome = (job, word) => job.write ? { outcome: word } : {}

const seconds = (ms) => ms / 1000 + ' s'
