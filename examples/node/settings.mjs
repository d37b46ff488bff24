// What the three examples have in common: where to connect, which topics, which frame.
//
//   node mqttjs.mjs [URL] [REQUEST] [RESPONSE] [READING] [FRAME]
//
// URL       WebSocket address of the broker
// REQUEST   topic to publish the frame to
// RESPONSE  topic of the reply; it may be the same one
// READING   topic of a retained reading
// FRAME     Modbus frame in hex: by default "read input registers 1 and 2 of unit 1"
//
// Without arguments they talk to "modferry demo".
// The environment may hold MQTT_USERNAME, MQTT_PASSWORD and CLIENT_ID.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'

// One name per installed app, kept: a persistent session belongs to it.
// In a mini-program this is wx.getStorageSync and wx.setStorageSync.
function clientId() {
  if (process.env.CLIENT_ID) return process.env.CLIENT_ID
  const file = new URL('.client-id', import.meta.url)
  if (!existsSync(file)) writeFileSync(file, 'app-' + randomBytes(6).toString('hex'))
  return readFileSync(file, 'utf8').trim()
}

// settings returns all of it; app tells the three examples apart.
export function settings(app) {
  const id = `${clientId()}-${app}`
  const [url, request, response, reading, frame] = process.argv.slice(2)
  return {
    clientId: id,
    url: url ?? 'ws://127.0.0.1:8080/mqtt',
    request: request ?? `modferry/demo/bus/line/request/${id}`,
    response: response ?? `modferry/demo/bus/line/response/${id}`,
    reading: reading ?? 'modferry/demo/device/sensor/temperature',
    frame: frame ?? '010400010002200B',
    username: process.env.MQTT_USERNAME ?? '',
    password: process.env.MQTT_PASSWORD ?? '',
    timeout: 5000 // milliseconds, for everything that is waited for
  }
}

// inTime rejects if promise has not settled after so many milliseconds.
export function inTime(promise, milliseconds, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds / 1000} s`)), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
