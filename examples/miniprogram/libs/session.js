// The app's side of one gateway: its readings and its requests, over one kept connection.

const { text } = require('modferry-client')
const { Connection } = require('./connection.js')
const { Requests } = require('./requests.js')
const { parse } = require('./reading.js')

const MOST_POINTS = 300 // of the chart

const WORDS = { off: 'Disconnected', connecting: 'Connecting', online: 'Connected', waiting: 'No connection' }

class Session {
  // settings are those of settings.js; timeout, in ms, is that of requests.
  constructor(settings, timeout) {
    this._listeners = []
    this._timeout = timeout
    this.connection = new Connection({
      onState: (state, reason) => this._show(Object.assign({ connection: WORDS[state], online: state === 'online', reason },
        state === 'online' ? {} : { gateway: '', device: '' })), // nobody tells while there is no connection
      onOpen: (link) => this._subscribe(link),
      onMessage: (topic, payload) => this._arrived(topic, payload)
    })
    this._use(settings)
  }

  start() { this.connection.start(this.settings) }

  stop() { this.connection.stop() }

  // network is for wx.onNetworkStatusChange. The sockets of another network are dead, even if nobody says so.
  network(change) {
    const other = this._network !== undefined && this._network !== change.networkType
    this._network = change.networkType
    if (change.isConnected && other) this.connection.renew(this.settings)
    else if (change.isConnected) this.connection.hurry()
  }

  configure(settings) {
    this._use(settings)
    this.connection.renew(settings)
  }

  // ask sends a frame; see requests.js.
  ask(frame, form, qos) { return this._requests.ask(frame, form, qos) }

  // watch calls listener now and after each change, until the function that it returns is called.
  watch(listener) {
    this._listeners.push(listener)
    listener(this.state)
    return () => { this._listeners = this._listeners.filter((known) => known !== listener) }
  }

  _use(settings) {
    this.settings = settings
    const prefix = 'modferry/' + settings.gateway
    const bus = prefix + '/bus/' + settings.bus
    const device = prefix + '/device/' + settings.device
    // A topic for each direction, with our own ending: no app sees another's replies, nor its own requests.
    this.topics = {
      request: bus + '/request/' + settings.clientId,
      response: bus + '/response/' + settings.clientId,
      error: bus + '/error/' + settings.clientId,
      gateway: prefix + '/status',
      device: device + '/status',
      temperature: device + '/temperature'
    }
    this._requests = new Requests((payload, qos) => this.connection.publish(this.topics.request, payload, qos), settings.clientId, this._timeout)
    this.points = []
    this.state = { connection: WORDS.off, online: false, reason: '', gateway: '', device: '', temperature: null }
  }

  // _subscribe is done at each connection, although the session keeps subscriptions: a broker that was
  // restarted may have lost them, and the retained messages come again.
  _subscribe(link) {
    const t = this.topics
    const refused = (error) => { if (error) this._show({ reason: error.message }) }
    link.subscribe([t.response, t.error], 2, refused)
    link.subscribe([t.gateway, t.device, t.temperature], 1, refused)
  }

  _arrived(topic, payload) {
    const t = this.topics
    if (topic === t.response) this._requests.arrived(payload)
    else if (topic === t.error) this._requests.refused(payload)
    else if (topic === t.gateway) this._show({ gateway: text(payload) })
    else if (topic === t.device) this._show({ device: text(payload) })
    else if (topic === t.temperature) this._temperature(parse(payload))
  }

  _temperature(reading) {
    if (!reading) return
    const last = this.points[this.points.length - 1]
    if (reading.quality === 'good' && typeof reading.value === 'number' && !(last && last.time >= reading.time)) {
      this.points.push({ time: reading.time || Date.now(), value: reading.value })
      if (this.points.length > MOST_POINTS) this.points.shift()
    }
    this._show({ temperature: reading })
  }

  _show(change) {
    this.state = Object.assign({}, this.state, change)
    this._listeners.slice().forEach((listener) => listener(this.state))
  }
}

module.exports = { Session }
