// The MQTT clients that apps use, each connecting to an address.
import { createRequire } from 'node:module'
import mqtt from 'mqtt'
import { WebSocket } from 'ws'

const require = createRequire(import.meta.url)

// What paho-mqtt expects of a browser. Its keys are found with for..in, the functions are not.
globalThis.WebSocket ??= WebSocket
globalThis.localStorage ??= Object.create({}, {
  getItem: { value(key) { return this[key] ?? null } },
  setItem: { value(key, text) { this[key] = String(text) } },
  removeItem: { value(key) { delete this[key] } }
})

const name = () => 'test-' + Math.random().toString(36).slice(2)
const soon = { reconnectPeriod: 100, connectTimeout: 5000 }

// Each takes an address, and a name and password if they are needed, and returns {client, end}.
export const libraries = {
  'MQTT.js 5': (url, username, password) => ended(mqtt.connect(url, { ...soon, clientId: name(), username, password })),
  'MQTT.js 5 with MQTT 5': (url) => ended(mqtt.connect(url, { ...soon, clientId: name(), protocolVersion: 5 })),
  'MQTT.js 4.1.0': (url, username, password) => ended(require('mqtt-4').connect(url, { ...soon, clientId: name(), username, password })),
  'paho-mqtt 1.1.0': (url, userName = '', password = '') => {
    const Paho = require('paho-mqtt')
    const client = new Paho.Client(url, name())
    // its own reconnect waits up to two minutes, so tests connect again themselves
    let stopped = false
    const connect = () => {
      if (!stopped) client.connect({ userName, password, mqttVersion: 4, timeout: 5, onFailure: () => setTimeout(connect, 100) })
    }
    client.onConnectionLost = () => setTimeout(connect, 100)
    connect()
    return {
      client,
      end() {
        stopped = true
        if (client.isConnected()) client.disconnect()
      }
    }
  }
}

function ended(client) {
  client.on('error', () => {}) // while the broker is away
  return { client, end: () => client.end(true) }
}
