// What paho-mqtt expects of a browser and Node.js does not have. Import it before paho-mqtt.
import { WebSocket } from 'ws'

globalThis.WebSocket ??= WebSocket

// Paho keeps unacknowledged messages here. This one forgets them at the end of the
// program; an app would use what its platform stores. Paho looks for its keys with
// for..in, so they are properties, and the functions are not enumerable.
globalThis.localStorage ??= Object.create({}, {
  getItem: { value(key) { return this[key] ?? null } },
  setItem: { value(key, text) { this[key] = String(text) } },
  removeItem: { value(key) { delete this[key] } }
})
