// The network between the app and the broker, cut at a chosen MQTT packet.

import { WebSocket, WebSocketServer } from 'ws'

const TYPES = ['', 'CONNECT', 'CONNACK', 'PUBLISH', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP', 'SUBSCRIBE', 'SUBACK', 'UNSUBSCRIBE', 'UNSUBACK', 'PINGREQ', 'PINGRESP', 'DISCONNECT']

export class Network {
  constructor(broker) {
    this.broker = broker
    this.packets = [] // {from, type, topic, id, dup} in the order in which they came
    this.cuts = 0
    this.lines = 0 // connections so far
    this.most = 0 // connections at a time
    this.cutLine = 0 // lines at the last cut
    this._rule = null
    this._server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    this._server.on('connection', (app, request) => this._join(app, request))
    this.ready = new Promise((resolve) => this._server.on('listening', () => {
      this.url = `ws://127.0.0.1:${this._server.address().port}/mqtt`
      resolve(this)
    }))
  }

  // cutAt cuts once, before or after a packet of this type has been passed on. topic is that of the
  // PUBLISH, or of the one that the packet is an answer to.
  cutAt(rule) { this._rule = rule }

  // live is how many connections there are.
  get live() { return this._server.clients.size }

  // down ends all connections, and refuses others until up.
  down() {
    this._down = true
    this._server.clients.forEach((client) => client.terminate())
  }

  up() { this._down = false }

  close() {
    this._server.clients.forEach((client) => client.terminate())
    this._server.close()
  }

  _join(app, request) {
    if (this._down) return app.terminate()
    this.lines++
    this.most = Math.max(this.most, this.live)
    const broker = new WebSocket(this.broker, request.headers['sec-websocket-protocol'].split(/, */), { perMessageDeflate: false })
    const line = { topics: { app: {}, broker: {} }, cut: false }
    const opened = new Promise((resolve) => broker.once('open', resolve))
    const forward = (from, packet, to) => {
      if (line.cut) return
      const seen = describe(from, packet, line.topics)
      this.packets.push(seen)
      const rule = this._rule && matches(this._rule, seen) ? this._rule : null
      if (!rule) return to.send(packet)
      this._rule = null
      line.cut = true
      this.cuts++
      this.cutLine = this.lines
      if (rule.when === 'after') to.send(packet)
      // FIN, not RST: what has been sent before still arrives, as on a real line.
      broker._socket.end()
      app._socket.end()
    }
    const fromApp = packets((packet) => forward('app', packet, broker))
    const fromBroker = packets((packet) => forward('broker', packet, app))
    app.on('message', (data) => opened.then(() => fromApp(data)))
    broker.on('message', (data) => fromBroker(data))
    for (const [one, other] of [[app, broker], [broker, app]]) {
      one.on('error', () => {})
      one.on('close', () => other.terminate())
    }
  }
}

// packets calls back with each whole MQTT packet [MQTT 3.1.1, 2.2.3].
function packets(each) {
  let rest = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    for (;;) {
      let length = 0
      let at = 1
      do {
        if (at >= rest.length) return
        length += (rest[at] & 0x7f) << (7 * (at - 1))
      } while (rest[at++] & 0x80)
      if (rest.length < at + length) return
      const packet = rest.subarray(0, at + length)
      packet.body = at
      rest = rest.subarray(at + length)
      each(packet)
    }
  }
}

// describe says what a packet is. topics remembers the topic of each packet id, by who published.
function describe(from, packet, topics) {
  const seen = { from, type: TYPES[packet[0] >> 4] }
  const body = packet.subarray(packet.body)
  if (seen.type === 'CONNECT') {
    const at = 2 + body.readUInt16BE(0) // behind the protocol name
    const flags = body[at + 1]
    Object.assign(seen, { level: body[at], clean: (flags & 2) !== 0, will: (flags & 4) !== 0, password: (flags & 0x40) !== 0, username: (flags & 0x80) !== 0, keepalive: body.readUInt16BE(at + 2) })
    seen.clientId = body.toString('utf8', at + 6, at + 6 + body.readUInt16BE(at + 4))
  } else if (seen.type === 'PUBLISH') {
    const length = body.readUInt16BE(0)
    seen.topic = body.toString('utf8', 2, 2 + length)
    seen.qos = packet[0] >> 1 & 3
    seen.dup = (packet[0] & 8) !== 0
    seen.retained = (packet[0] & 1) !== 0
    if (seen.qos > 0) topics[from][seen.id = body.readUInt16BE(2 + length)] = seen.topic
  } else if (/^PUB/.test(seen.type)) {
    const publisher = seen.type === 'PUBREL' ? from : from === 'app' ? 'broker' : 'app'
    seen.topic = topics[publisher][seen.id = body.readUInt16BE(0)]
  }
  return seen
}

const matches = (rule, seen) => rule.from === seen.from && rule.type === seen.type && rule.topic === seen.topic
