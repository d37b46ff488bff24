// What the MQTT packages expect of their surroundings, and a mini-program does not have or hides from
// its modules. The line that build.mjs puts before each package takes it from here; nothing is put on
// the app's own global object.
//
// Array types exist in a mini-program, but not as properties of its global object: without Uint8Array
// there, MQTT.js takes every binary payload for a text, and without ArrayBuffer paho does not start.

const socket = require('./websocket.js')
const storage = require('./storage.js')

// eslint-disable-next-line no-undef
const platform = typeof wx === 'object' ? wx : uni

class AbortSignal {
  constructor() {
    this.aborted = false
    this.reason = undefined
    this._listeners = []
  }

  addEventListener(type, listener) { this._listeners.push(listener) }

  removeEventListener(type, listener) {
    this._listeners = this._listeners.filter((known) => known !== listener)
  }
}

class AbortController {
  constructor() { this.signal = new AbortSignal() }

  abort(reason) {
    if (this.signal.aborted) return
    this.signal.aborted = true
    this.signal.reason = reason
    this.signal._listeners.slice().forEach((listener) => listener.call(this.signal, { type: 'abort', target: this.signal }))
  }
}

module.exports = {
  WebSocket: socket.create(platform),
  localStorage: storage.create(platform, 'mqtt:'),
  navigator: { userAgent: 'miniprogram' },
  AbortController,
  AbortSignal,
  queueMicrotask: (task) => { Promise.resolve().then(task) },
  setImmediate: (task, ...args) => setTimeout(task, 0, ...args),
  clearImmediate: clearTimeout,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  Object,
  Array,
  ArrayBuffer,
  DataView,
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  Error,
  TypeError,
  Promise,
  Symbol,
  Math,
  JSON,
  Date
}
