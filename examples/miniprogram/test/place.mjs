// Where the tests run: a gateway, its broker, and an app that is connected to it.
//
// MODFERRY_PLACE is the line that "modferry demo --json" prints; by default the demo's usual addresses.

import mqtt from 'mqtt-5'
import { fileURLToPath } from 'node:url'
import { MiniProgram, Phone } from './wx.mjs'

export const place = Object.assign({
  websocket: 'ws://127.0.0.1:8080/mqtt', mqtt: 'mqtt://127.0.0.1:1883', gateway: 'demo', bus: 'line', device: 'sensor'
}, JSON.parse(process.env.MODFERRY_PLACE || '{}'))

export const root = fileURLToPath(new URL('..', import.meta.url))
export const libraries = ['paho-mqtt', 'mqtt 4.1.0', 'mqtt 5']

const PATIENCE = 15000 // ms, for a busy machine

// until waits until condition() is truthy, and returns what it is.
export async function until(condition, what) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 5))) {
    const result = condition()
    if (result) return result
  }
  throw new Error(`waited in vain until ${typeof what === 'function' ? what() : what || condition}`)
}

// inTime is a promise of something that must not take for ever.
export function inTime(promise, what) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// phone returns one on which the app has been set up for this place.
export function phone(settings) {
  const p = new Phone()
  p.storage.set('settings', JSON.stringify({ url: place.websocket, gateway: place.gateway, bus: place.bus, device: place.device, ...settings }))
  return p
}

// start launches the app; it ends with the test.
export function start(t, options) {
  const program = new MiniProgram({ root, phone: phone({}), ...options })
  t.after(() => program.kill())
  return program.launch()
}

// observer is another client of the broker, with all messages on topics under the gateway's prefix.
export async function observer(t, topics) {
  const client = await mqtt.connectAsync(place.mqtt, { clientId: 'observer-' + Math.random().toString(16).slice(2) })
  t.after(() => client.endAsync(true))
  const messages = []
  client.on('message', (topic, payload, packet) => messages.push({ topic, payload, retained: packet.retain }))
  await client.subscribeAsync(topics.map((topic) => `modferry/${place.gateway}/${topic}`), { qos: 2 })
  return { messages, client }
}
