import { Bus } from './bus.mjs'
import { Channel } from './channel.mjs'
import { fail } from './error.mjs'
import { FrameChannel } from './framechannel.mjs'
import { text, view } from './hex.mjs'
import { checkName, guarded, matches } from './message.mjs'
import { adapt } from './mqtt.mjs'
import { Observable, reading } from './reading.mjs'

const random = () => Math.random().toString(36).slice(2, 8)

// holders: for each MQTT client, how many gateway objects need which of its subscriptions.
const holders = new WeakMap()

// connect returns the gateway that a connected or connecting MQTT client reaches: a client
// of MQTT.js or paho-mqtt, or an object as above. Options: gateway, its name, or prefix, the
// beginning of its topics; client, the name of this app (its own, and kept); timeout in ms;
// retries of reads; qos; queue, how many requests may wait for each bus.
export function connect(client, options) {
  const adapter = adapt(client)
  if (!holders.has(client)) holders.set(client, new Map())
  return new Gateway(adapter, options || {}, holders.get(client))
}

class Gateway {
  constructor(adapter, options, held) {
    this.adapter = adapter
    this.held = held
    this.prefix = options.prefix ? String(options.prefix).replace(/\/$/, '') : 'modferry/' + checkName('gateway', options.gateway)
    this.client = checkName('client', options.client === undefined ? 'app-' + random() : options.client)
    this.defaults = Object.assign({ timeout: 10000, retries: 1, qos: 1, queue: 64, inFlight: 8, settle: 10000, form: 'json' }, options)
    this.connected = false
    this.online = undefined // what the gateway's status topic says
    this.closed = false
    this.epoch = 0 // connections so far
    this.subscriptions = new Map()
    this.channels = new Map()
    this.states = new Set()
    this.ids = this.client.slice(0, 40) + '-' + Date.now().toString(36) + random() + '-'
    this.id = 0
    adapter.onMessage((topic, payload, retained) => this.arrived(topic, payload, retained))
    adapter.onConnection((up) => up ? this.up() : this.down())
    this.listen(this.prefix + '/status', (message) => {
      this.online = message.text === 'online'
      if (this.online && !message.retained) this.lost('the gateway lost its broker meanwhile') // and it has just come back
      this.changed()
    })
    if (adapter.connected()) this.up()
  }

  // bus returns a bus of the gateway. Options beside those of connect: form (json, hex or
  // binary), and the request and response topics of a bus that has fixed ones.
  bus(name, options) {
    return new Bus(this, checkName('bus', name), Object.assign({}, this.defaults, { client: this.client }, options))
  }

  // reading returns the values of a device's reading, to be subscribed to. Options for a
  // device that publishes reply frames: form hex or binary, and type, order, scale as decode has.
  reading(device, name, options) {
    return reading(this, this.prefix + '/device/' + checkName('device', device), checkName('reading', name), options)
  }

  // status returns whether the broker and the gateway are there, to be subscribed to.
  status() {
    return new Observable((emit) => {
      let shown = ''
      const tell = () => {
        const state = { connected: this.connected, gateway: this.online === undefined ? 'unknown' : this.online ? 'online' : 'offline' }
        const key = state.connected + ' ' + state.gateway
        if (key === shown) return
        shown = key
        emit(state)
      }
      tell()
      this.states.add(tell)
      return () => this.states.delete(tell)
    })
  }

  // set writes a value to a reading that can be set: a promise of {ok, value, outcome}.
  set(device, name, value, options) {
    try {
      const topic = this.prefix + '/device/' + checkName('device', device) + '/' + checkName('reading', name) + '/set'
      const o = Object.assign({}, this.defaults, options)
      const channel = this.channel(topic, topic + '/result', '', Object.assign(o, { form: 'json' }))
      return channel.ask({ write: true, fields: { value } }, o)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // watch calls f with {topic, payload, text, retained} for each message on a topic below the
  // prefix; the wildcards + and # may be used. failed gets a ModferryError if the broker
  // refuses that. It returns a function that ends it.
  watch(topic, f, failed) {
    return this.listen(this.prefix + '/' + topic, f, failed).stop
  }

  // close ends everything here; the MQTT client stays connected.
  close() {
    if (this.closed) return
    this.closed = true
    for (const channel of this.channels.values()) channel.close()
    for (const filter of Array.from(this.subscriptions.keys())) this.unlisten(filter)
    this.states.clear()
    if (this.adapter.close) this.adapter.close()
  }

  nextId() {
    return this.ids + (++this.id)
  }

  channel(topic, response, error, options) {
    const key = [topic, response, options.form].join(' ')
    if (!this.channels.has(key)) this.channels.set(key, options.form === 'json' ? new Channel(this, topic, response, options) : new FrameChannel(this, topic, response, error, options))
    return this.channels.get(key)
  }

  // listen subscribes once more if others listen already: the broker repeats what is retained.
  listen(filter, f, failed) {
    let subscription = this.subscriptions.get(filter)
    if (!subscription) {
      this.subscriptions.set(filter, subscription = { filter, handlers: new Set(), granted: false, error: null })
      this.held.set(filter, (this.held.get(filter) || 0) + 1)
    }
    const handler = { take: (message) => guarded(f, message), fail: (error) => failed && guarded(failed, error) }
    subscription.handlers.add(handler)
    this.subscribe(subscription)
    return {
      subscription,
      stop: () => {
        subscription.handlers.delete(handler)
        if (subscription.handlers.size === 0 && this.subscriptions.get(filter) === subscription) this.unlisten(filter)
      }
    }
  }

  unlisten(filter) {
    this.subscriptions.delete(filter)
    const others = this.held.get(filter) - 1
    if (others > 0) this.held.set(filter, others)
    else this.held.delete(filter)
    if (others > 0 || !this.connected || !this.adapter.unsubscribe) return
    try {
      const done = this.adapter.unsubscribe(filter)
      if (done && done.then) done.then(null, () => {})
    } catch (error) {
      // the connection has just gone, and the subscription with it
    }
  }

  subscribe(subscription) {
    if (!this.connected || this.closed) return
    const epoch = this.epoch
    const end = (error) => {
      if (epoch !== this.epoch || this.closed) return
      if (error && !(this.connected && this.adapter.connected())) return // the connection has gone meanwhile
      subscription.granted = !error
      subscription.error = error && fail('subscription', 'the broker does not let this client subscribe to ' + subscription.filter + ': ' + (error.message || error))
      if (error) for (const handler of Array.from(subscription.handlers)) handler.fail(subscription.error)
      this.changed()
    }
    try {
      subscription.error = null
      Promise.resolve(this.adapter.subscribe(subscription.filter, this.defaults.qos)).then(() => end(null), end)
    } catch (error) {
      end(error)
    }
  }

  up() {
    if (this.closed) return
    this.down()
    this.connected = true
    this.epoch++
    for (const subscription of this.subscriptions.values()) this.subscribe(subscription)
    this.changed()
  }

  down() {
    if (!this.connected) return
    this.connected = false
    for (const subscription of this.subscriptions.values()) subscription.granted = false
    this.lost('the connection to the broker was lost meanwhile')
    this.changed()
  }

  lost(trouble) {
    for (const channel of this.channels.values()) channel.lost(trouble)
  }

  changed() {
    for (const channel of this.channels.values()) channel.pump()
    for (const tell of Array.from(this.states)) tell()
  }

  arrived(topic, payload, retained) {
    if (this.closed) return
    const raw = typeof payload === 'string' ? payload : view(payload || [])
    const message = { topic, payload: raw, text: text(raw), retained: !!retained }
    for (const subscription of Array.from(this.subscriptions.values())) {
      if (matches(subscription.filter, topic)) Array.from(subscription.handlers).forEach((handler) => handler.take(message))
    }
  }
}
