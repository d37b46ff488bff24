// A connection to the broker with paho-mqtt 1.1.0. See link.js for what a link is.
//
// Each connection has a client of its own: paho keeps in storage what the broker has not acknowledged,
// and a new client takes it from there. An old one could bring half a packet into the next connection.

const Paho = require('paho-mqtt')

function open(options) {
  const client = new Paho.Client(options.url, options.clientId)
  let ended = false
  let wanted = true

  function end(failure) {
    if (ended) return
    ended = true
    options.onEnd((failure && failure.errorMessage) || '')
  }

  const link = {
    subscribe(topic, qos, done) {
      client.subscribe(topic, { qos, onSuccess: () => done(null), onFailure: () => done(new Error('the broker refuses ' + topic)) })
    },

    unsubscribe(topic) { client.unsubscribe(topic) },

    publish(topic, payload, qos) {
      const message = new Paho.Message(payload) // a string or a Uint8Array: paho would store an ArrayBuffer as empty
      message.destinationName = topic
      message.qos = qos
      message.retained = false // a retained request would be carried out again by whoever subscribes
      client.send(message)
    },

    // close may be called at any time. disconnect() throws when there is no connection.
    close() {
      wanted = false
      if (!ended && client.isConnected()) client.disconnect()
    }
  }

  client.onConnectionLost = end
  client.onMessageArrived = (message) => {
    if (!ended) options.onMessage(message.destinationName, message.payloadBytes, message.retained)
  }
  const connect = {
    cleanSession: false,
    keepAliveInterval: options.keepalive,
    mqttVersion: 4,
    timeout: options.timeout / 1000,
    reconnect: false, // connection.js has the one loop that reconnects
    onSuccess: () => (wanted ? options.onOpen() : link.close()),
    onFailure: end
  }
  if (options.username) { // an empty one is not the same as none
    connect.userName = options.username
    connect.password = options.password
  }
  client.connect(connect)
  return link
}

module.exports = { open }
