// What apps do at a broker, with the libraries they use:
//
//   node apps.cjs LIBRARY URL USER PASSWORD [VERSION]
//
// Subscribes abc at QoS 2, publishes bytes there, and prints one line of JSON with what
// came back, or with why it failed. SIZE in the environment is how many bytes, 9 if it
// is not there. The libraries are those of examples/node.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const library = createRequire(join(__dirname, '../../../examples/node/package.json'))
const [name, url, user, password, version] = process.argv.slice(2)
const start = [0x01, 0x04, 0x00, 0x01, 0x00, 0x02, 0x20, 0x0b, 0xff]
const payload = Uint8Array.from({ length: Number(process.env.SIZE ?? start.length) }, (_, i) => start[i % start.length])

const end = (said) => {
  console.log(JSON.stringify(said))
  process.exit(0)
}
setTimeout(() => end({ error: 'nothing happened within 8 s' }), 8000)

// received is what came back; a long payload is not shown, but compared.
const received = (topic, bytes, more) => end({
  topic, payload: Buffer.from(bytes.subarray(0, start.length)).toString('hex'), same: Buffer.from(payload).equals(Buffer.from(bytes)), ...more
})

// counted has sent count what leaves by a WebSocket class.
function counted(WebSocket, sent) {
  const send = WebSocket.prototype.send
  WebSocket.prototype.send = function (...args) {
    sent.frames++
    return send.apply(this, args)
  }
  return WebSocket
}

const apps = {
  // As in many mini-programs: empty user name and password are given.
  'mqttjs-4.1.0' () {
    const sent = { frames: 0, packets: 0 }
    counted(createRequire(library.resolve('websocket-stream'))('ws'), sent)
    const client = library('mqtt-4').connect(url, {
      clientId: 'app-mqttjs', username: user, password, keepalive: 30, connectTimeout: 4000, reconnectPeriod: 0
    })
    client.on('packetsend', () => sent.packets++)
    client.on('error', (error) => end({ error: error.message, code: error.code }))
    client.on('message', (topic, got) => received(topic, got, sent))
    client.on('connect', () => client.subscribe('abc', { qos: 2 }, () => client.publish('abc', Buffer.from(payload), { qos: 2 })))
  },

  'paho-1.1.0' () {
    globalThis.WebSocket = library('ws')
    globalThis.localStorage = Object.create({}, {
      getItem: { value (key) { return this[key] ?? null } },
      setItem: { value (key, text) { this[key] = String(text) } },
      removeItem: { value (key) { delete this[key] } }
    })
    const Paho = library('paho-mqtt')
    const client = new Paho.Client(url, 'app-paho')
    client.onMessageArrived = (m) => received(m.destinationName, m.payloadBytes)
    client.connect({
      userName: user,
      password,
      cleanSession: false,
      keepAliveInterval: 5,
      timeout: 10,
      mqttVersion: Number(version ?? 4),
      onFailure: (f) => end({ error: f.errorMessage, code: f.errorCode }),
      onSuccess: () => client.subscribe('abc', {
        qos: 2,
        onSuccess () {
          const m = new Paho.Message(payload)
          m.destinationName = 'abc'
          m.qos = 2
          client.send(m)
        }
      })
    })
  },

  // A WebSocket and nothing else: it sends text.
  text () {
    const ws = new (library('ws'))(url, version ?? 'mqtt')
    ws.on('error', (error) => end({ error: error.message }))
    ws.on('close', (code, reason) => end({ code, reason: String(reason) }))
    ws.on('open', () => ws.send('{"topic":"abc","payload":"010400010002200B"}'))
  }
}

apps[name]()
