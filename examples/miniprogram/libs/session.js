// The app's side of one gateway: its temperature and its requests, over one kept connection.

const { connect } = require('modferry-client')
const { Connection } = require('./connection.js')

const MOST_POINTS = 300 // of the chart
const TIMEOUT = 35000 // ms: longer than a gateway lets a request wait (resume_within, 30 s)

class Session {
  // settings are those of settings.js.
  constructor(settings) {
    this._listeners = []
    this._heard = () => {}
    this._up = () => {}
    this.state = { connection: 'off', reason: '', gateway: 'unknown', temperature: null }
    this.connection = new Connection({
      onState: (connection, reason) => {
        this._show({ connection, reason })
        this._up(connection === 'online')
      },
      onMessage: (topic, payload, retained) => this._heard(topic, payload, retained)
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
    this._gateway.close()
    this._use(settings)
    this.connection.renew(settings)
  }

  // ask sends a whole RTU frame, a Uint8Array, in one of the forms json, hex and binary. It is a promise
  // of the reply, {frame, outcome}, or an error whose message is for people; its outcome tells of a write
  // whether it is done, refused or unknown. It is settled within 35 s.
  ask(frame, form) { return this._gateway.bus(this.settings.bus, { form }).request(frame) }

  // watch calls listener now and after each change, until the function that it returns is called.
  watch(listener) {
    this._listeners.push(listener)
    listener(this.state)
    return () => { this._listeners = this._listeners.filter((known) => known !== listener) }
  }

  // _use has the gateway of these settings on our connection. Its topics end in our client id: no app
  // sees another's replies, and none its own requests.
  _use(settings) {
    this.settings = settings
    this.points = []
    this._show({ gateway: 'unknown', temperature: null })
    this._gateway = connect({
      connected: () => this.connection.state === 'online',
      publish: (topic, payload, qos) => this.connection.publish(topic, payload, qos),
      subscribe: (topic, qos) => this.connection.subscribe(topic, qos),
      unsubscribe: (topic) => this.connection.unsubscribe(topic),
      onMessage: (heard) => { this._heard = heard },
      onConnection: (up) => { this._up = up }
    }, { gateway: settings.gateway, client: settings.clientId, qos: settings.qos, timeout: TIMEOUT })
    this._gateway.status().subscribe(({ gateway }) => this._show({ gateway }))
    this._gateway.reading(settings.device, 'temperature').subscribe((reading) => this._temperature(reading))
  }

  _temperature(reading) {
    const last = this.points[this.points.length - 1]
    const time = reading.time && reading.time.getTime()
    if (reading.quality === 'good' && typeof reading.value === 'number' && time && !(last && last.time >= time)) {
      this.points.push({ time, value: reading.value })
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
