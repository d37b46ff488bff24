// One connection to the broker, as any app has it: MQTT 3.1.1 over WebSocket with
// Eclipse Paho. It comes back by itself, subscribes again, and keeps the last message
// of every topic that holds a state, so that a part of the page that subscribes late
// has it at once.

/* global Paho */

const CONNECT_SECONDS = 6
const FIRST_WAIT = 1000 // ms before the second attempt; doubles up to LONGEST_WAIT
const LONGEST_WAIT = 15000
const MAX_TOPICS = 20000 // whose last message is kept

// Phases of a connection: off, connecting, online, waiting (for the next attempt),
// refused (the broker does not want these credentials; it is not tried again).
export class Connection {
  #client = null
  #settings = null
  #attempt = 0
  #timer = 0
  #watchers = new Set()
  #subscriptions = new Map() // filter -> {levels, callbacks: Map(callback -> options), qos, granted}
  #last = new Map() // topic -> message

  phase = 'off'
  reason = '' // key of a text of "connection.", why it is not online
  detail = '' // the library's own words

  get settings() { return this.#settings }

  // watch calls back at each change of phase, and once now. It returns how to end that.
  watch(callback) {
    this.#watchers.add(callback)
    callback(this)
    return () => this.#watchers.delete(callback)
  }

  // open connects to settings {url, user, password}; it ends an earlier connection.
  open(settings) {
    this.close()
    this.#settings = settings
    this.#attempt = 0
    this.#connect()
  }

  // close ends the connection for good.
  close() {
    clearTimeout(this.#timer)
    this.#drop()
    this.#last.clear()
    this.#enter('off', '')
  }

  // wake tries at once where it waits for the next attempt.
  wake() {
    if (this.phase !== 'waiting') return
    clearTimeout(this.#timer)
    this.#connect()
  }

  #drop() {
    const old = this.#client
    this.#client = null
    if (!old) return
    try {
      old.disconnect()
    } catch { /* it was not connected */ }
  }

  #connect() {
    const { url, user, password } = this.#settings
    const id = 'modferry-console-' + randomName(10)
    let client
    try {
      client = new Paho.Client(url, id)
    } catch (error) {
      return this.#enter('refused', 'bad_url', error.message)
    }
    this.#client = client
    this.#enter('connecting', this.reason, this.detail)
    const current = (then) => (argument) => { if (this.#client === client) then(argument) }
    client.onConnectionLost = current((lost) => this.#lost(lost))
    client.onMessageArrived = current((message) => this.#arrived(message))
    const options = {
      timeout: CONNECT_SECONDS, keepAliveInterval: 30, cleanSession: true, mqttVersion: 4, mqttVersionExplicit: true,
      onSuccess: current(() => this.#opened()), onFailure: current((failure) => this.#failed(failure))
    }
    if (user) Object.assign(options, { userName: user, password: password || '' })
    try {
      client.connect(options)
    } catch (error) { // what the browser does not even try, such as ws: from a page of https:
      this.#failed({ errorCode: 0, errorMessage: error.message })
    }
  }

  #opened() {
    this.#attempt = 0
    this.#enter('online', '')
    for (const [filter, s] of this.#subscriptions) this.#ask(filter, s)
  }

  #failed(failure) {
    const { reason, final } = explainFailure(failure)
    this.#client = null
    if (final) this.#enter('refused', reason, failure.errorMessage)
    else this.#later(reason, failure.errorMessage)
  }

  #lost(lost) {
    this.#client = null
    if (lost.errorCode !== 0) this.#later('lost', lost.errorMessage)
  }

  #later(reason, detail) {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt++)
    this.#timer = setTimeout(() => this.#connect(), wait)
    this.#enter('waiting', reason, detail)
  }

  #enter(phase, reason, detail = '') {
    Object.assign(this, { phase, reason, detail })
    for (const callback of [...this.#watchers]) callback(this)
  }

  // subscribe calls back with each message {topic, bytes, text, retained, at} of a filter.
  // Options: qos (0); replay (true): also the state that is known now, before it returns.
  // It returns a function that ends the subscription; its property granted is a promise
  // of whether the broker allows it, which waits for the connection.
  subscribe(filter, callback, { qos = 0, replay = true } = {}) {
    let s = this.#subscriptions.get(filter)
    if (!s) {
      s = { levels: filter.split('/'), callbacks: new Set(), qos }
      s.granted = new Promise((resolve) => { s.resolve = resolve })
      this.#subscriptions.set(filter, s)
      if (this.phase === 'online') this.#ask(filter, s)
    }
    const entry = { callback }
    s.callbacks.add(entry)
    if (replay) {
      for (const message of this.#last.values()) if (matches(s.levels, message.topic)) callback(message)
    }
    const end = () => this.#unsubscribe(filter, s, entry)
    end.granted = s.granted
    return end
  }

  #unsubscribe(filter, s, entry) {
    s.callbacks.delete(entry)
    if (s.callbacks.size > 0 || this.#subscriptions.get(filter) !== s) return
    this.#subscriptions.delete(filter)
    if (this.phase === 'online') this.#client.unsubscribe(filter)
  }

  #ask(filter, s) {
    this.#client.subscribe(filter, { qos: s.qos, onSuccess: () => s.resolve(true), onFailure: () => s.resolve(false) })
  }

  #arrived(arrived) {
    const message = new Message(arrived)
    if ((arrived.retained || this.#last.has(message.topic)) && this.#last.size < MAX_TOPICS) this.#last.set(message.topic, message)
    for (const s of [...this.#subscriptions.values()]) {
      if (!matches(s.levels, message.topic)) continue
      for (const { callback } of [...s.callbacks]) {
        try {
          callback(message)
        } catch (error) {
          reportError(error) // one part's mistake is not the others'
        }
      }
    }
  }

  // last returns the last message of a topic that holds a state and is subscribed.
  last(topic) {
    return this.#last.get(topic)
  }

  // publish sends text or bytes (a Uint8Array). QoS 0 is right for what a person waits
  // for: it is done now or never. It throws when there is no connection.
  publish(topic, payload, { qos = 0, retain = false } = {}) {
    if (this.phase !== 'online') throw new Error('not connected')
    const message = new Paho.Message(payload)
    message.destinationName = topic
    message.qos = qos
    message.retained = retain
    this.#client.send(message)
  }
}

class Message {
  #text
  constructor(arrived) {
    this.topic = arrived.destinationName
    this.bytes = arrived.payloadBytes
    this.retained = arrived.retained
    this.at = Date.now()
  }

  // text is the payload as UTF-8.
  get text() {
    return this.#text ??= new TextDecoder().decode(this.bytes)
  }

  // json is the payload as JSON, null if it is none.
  get json() {
    try {
      return JSON.parse(this.text)
    } catch {
      return null
    }
  }
}

// explainFailure turns what Paho says into a reason, and whether trying again is useless.
export function explainFailure(failure) {
  const connack = /return code:(\d)/.exec(failure.errorMessage || '')
  if (connack) {
    const reason = { 1: 'version', 2: 'client_id', 3: 'unavailable', 4: 'credentials', 5: 'not_authorized' }[connack[1]] || 'refused'
    return { reason, final: reason !== 'unavailable' }
  }
  if (failure.errorCode === 0) return { reason: 'blocked', final: true }
  return { reason: failure.errorCode === 1 ? 'timeout' : 'unreachable', final: false }
}

// matches tells whether a filter, as its levels, matches a topic.
export function matches(levels, topic) {
  const parts = topic.split('/')
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === '#') return true
    if (i >= parts.length || levels[i] !== '+' && levels[i] !== parts[i]) return false
  }
  return levels.length === parts.length
}

// randomName returns so many letters and digits, for client ids.
export function randomName(length) {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join('')
}

// brokerURL completes what a person typed to a WebSocket URL, or throws.
export function brokerURL(text) {
  const typed = text.trim()
  if (/[\s%]/.test(typed.replace(/^[a-z]+:\/\//i, '').split('/')[0])) throw new TypeError('host')
  const url = new URL(/^[a-z]+:\/\//i.test(typed) ? typed : (location.protocol === 'https:' ? 'wss://' : 'ws://') + typed)
  if (url.protocol === 'http:') url.protocol = 'ws:'
  if (url.protocol === 'https:') url.protocol = 'wss:'
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new TypeError('scheme')
  if (url.pathname === '/') url.pathname = '/mqtt'
  return url.href
}
