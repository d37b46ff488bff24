// A connection to the broker with MQTT.js, 4.1.0 or 5. See link.js for what a link is.
//
// It uses ws:// and wss:// with our WebSocket, not wx:// and wxs://: those keep their socket in variables
// of the module, so that two clients clash, and 4.1.0 does not notice there that a connection has gone.

const stores = {} // by session: what is not acknowledged yet, for as long as the app runs

function storesOf(mqtt, options) {
  const session = options.url + ' ' + options.clientId
  if (!stores[session]) {
    stores[session] = { incomingStore: new mqtt.Store({ clean: false }), outgoingStore: new mqtt.Store({ clean: false }) }
  }
  return stores[session]
}

// address returns the parts of wss://host:port/path.
function address(url) {
  const parts = /^(wss?):\/\/(\[[^\]]+\]|[^/:]+)(?::(\d+))?(\/.*)$/.exec(url)
  if (!parts) throw new Error('the address of a broker is wss://host/path, not ' + url)
  return { protocol: parts[1], hostname: parts[2], host: parts[2], port: Number(parts[3] || (parts[1] === 'wss' ? 443 : 80)), path: parts[4] }
}

function settings(mqtt, options) {
  const all = Object.assign(address(options.url), storesOf(mqtt, options), {
    clientId: options.clientId,
    clean: false,
    keepalive: options.keepalive,
    connectTimeout: options.timeout,
    reconnectPeriod: 0, // connection.js has the one loop that reconnects
    resubscribe: false,
    protocolVersion: 4,
    forceNativeWebSocket: true, // MQTT.js 5: its own code for Node.js is not in the bundle
    timerVariant: 'native' // MQTT.js 5: there are no workers to keep time in
  })
  if (options.username) { // an empty one is not the same as none
    all.username = options.username
    all.password = options.password
  }
  return all
}

function open(mqtt, options) {
  const client = mqtt.connect(settings(mqtt, options))
  let ended = false
  let reason = ''

  client.on('connect', () => options.onOpen())
  client.on('message', (topic, payload, packet) => {
    if (!ended) options.onMessage(topic, payload, packet.retain)
  })
  client.on('error', (error) => {
    reason = error.message
    client.end(true)
  })
  client.on('close', () => {
    if (ended) return
    ended = true
    options.onEnd(reason)
  })

  return {
    subscribe(topic, qos, done) {
      client.subscribe(topic, { qos }, (error, granted) => {
        if (error && !error.packet) return // no answer: the connection has gone, and onEnd tells
        done(error || granted.some((one) => one.qos > 2) ? new Error('the broker refuses ' + topic) : null)
      })
    },
    unsubscribe(topic) { client.unsubscribe(topic) },
    publish(topic, payload, qos) {
      client.publish(topic, payload, { qos, retain: false })
    },
    close() {
      const socket = client.stream.socket
      client.end(true) // otherwise it waits for what is under way, perhaps for ever
      socket.close() // which 4.1.0 forgets as long as it is not open
    }
  }
}

module.exports = { open }
