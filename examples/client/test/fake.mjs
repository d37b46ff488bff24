// An MQTT client without a broker: it keeps what is published and delivers what a test says.

export const prefix = 'modferry/demo'
export const topics = { request: `${prefix}/bus/line/request/app`, response: `${prefix}/bus/line/response/app`, error: `${prefix}/bus/line/error/app`, status: `${prefix}/status` }

export class Fake {
  constructor({ up = true, refuse } = {}) {
    this.up = up
    this.refuse = refuse // a topic that may not be subscribed to
    this.published = []
    this.subscribed = []
    this.unsubscribed = []
    this.waiters = []
  }

  connected() {
    return this.up
  }

  publish(topic, payload, qos) {
    if (!this.up || this.broken) throw new Error(this.broken || 'not connected')
    this.published.push({ topic, payload, qos, ...(typeof payload === 'string' && payload[0] === '{' ? JSON.parse(payload) : {}) })
    this.waiters.forEach((check) => check())
  }

  subscribe(topic) {
    this.subscribed.push(topic)
    return topic === this.refuse ? Promise.reject(new Error('not granted')) : Promise.resolve()
  }

  unsubscribe(topic) {
    this.unsubscribed.push(topic)
  }

  onMessage(f) {
    this.arrive = (topic, payload, retained = false) => f(topic, typeof payload === 'string' ? new TextEncoder().encode(payload) : payload, retained)
  }

  onConnection(f) {
    this.lose = () => { this.up = false; f(false) }
    this.connect = () => { this.up = true; f(true) }
  }

  // sent resolves with the n-th publication, counted from 1.
  sent(n) {
    return new Promise((resolve) => {
      const check = () => { if (this.published.length >= n) resolve(this.published[n - 1]) }
      this.waiters.push(check)
      check()
    })
  }

  // reply answers the n-th publication in JSON.
  async reply(n, answer) {
    const { id } = await this.sent(n)
    this.arrive(topics.response, JSON.stringify({ id, ok: true, unit: 1, function: 4, ...answer }))
  }
}

// quiet resolves after the tasks that are due have run, and a little more.
export const quiet = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms))
