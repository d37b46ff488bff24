import { fail, invalid } from './error.mjs'

//
// What is needed of an MQTT client: publish(topic, payload, qos) and subscribe(topic, qos),
// which may return promises, and which throw if nothing was sent; connected();
// onMessage(f), where f takes (topic, payload, retained); onConnection(f), where f takes
// true after each connect and false after each loss; unsubscribe(topic) and close() if it can.

const notConnected = () => fail('offline', 'the MQTT client is not connected')

// mqttjs adapts a client of MQTT.js, 4.1.0 or 5.
export function mqttjs(client) {
  const listeners = []
  const on = (event, f) => {
    client.on(event, f)
    listeners.push([event, f])
  }
  return {
    connected: () => client.connected === true,
    publish(topic, payload, qos) {
      if (!client.connected) throw notConnected() // it would be kept, and sent at any later time
      return new Promise((resolve, reject) => client.publish(topic, payload, { qos }, (error) => error ? reject(error) : resolve()))
    },
    subscribe(topic, qos) {
      // without resubscribe what this client has subscribed to before would not be sent, and nothing retained come
      const filter = { [topic]: { qos, nl: false, rap: false, rh: 0 }, resubscribe: true }
      return new Promise((resolve, reject) => client.subscribe(filter, {}, (error, granted) => {
        if (error) reject(error)
        else if ((granted || []).some((one) => one.qos > 2)) reject(new Error('not granted'))
        else resolve()
      }))
    },
    unsubscribe: (topic) => { client.unsubscribe(topic, () => {}) },
    onMessage: (f) => on('message', (topic, payload, packet) => f(topic, payload, !!(packet && packet.retain))),
    onConnection(f) {
      on('connect', () => f(true))
      for (const event of ['close', 'offline', 'end']) on(event, () => f(false))
    },
    close: () => listeners.forEach((one) => client.removeListener(one[0], one[1]))
  }
}

// paho adapts a client of paho-mqtt 1.1.0. It takes over onMessageArrived, onConnected and
// onConnectionLost and calls what was there before.
export function paho(client) {
  let closed = false
  const hook = (name, f) => {
    const before = client[name]
    client[name] = (...args) => {
      if (!closed) f(...args)
      if (before) before.apply(client, args)
    }
  }
  const settled = (start) => new Promise((resolve, reject) => start({
    onSuccess: () => resolve(),
    onFailure: (failure) => reject(new Error(failure.errorMessage || 'not granted'))
  }))
  return {
    connected: () => client.isConnected(),
    publish(topic, payload, qos) {
      if (!client.isConnected()) throw notConnected()
      client.send(topic, payload, qos, false)
    },
    subscribe: (topic, qos) => settled((callbacks) => client.subscribe(topic, Object.assign({ qos, timeout: 10 }, callbacks))),
    unsubscribe: (topic) => client.unsubscribe(topic),
    onMessage: (f) => hook('onMessageArrived', (message) => f(message.destinationName, message.payloadBytes, message.retained)),
    onConnection(f) {
      hook('onConnected', () => f(true))
      hook('onConnectionLost', () => f(false))
    },
    close: () => { closed = true }
  }
}

export function adapt(client) {
  if (client && typeof client.onMessage === 'function' && typeof client.onConnection === 'function') return client
  if (client && typeof client.send === 'function' && typeof client.isConnected === 'function') return paho(client)
  if (client && typeof client.on === 'function' && typeof client.publish === 'function') return mqttjs(client)
  throw invalid('this is no client of MQTT.js or paho-mqtt, and no object with publish, subscribe, connected, onMessage and onConnection')
}
