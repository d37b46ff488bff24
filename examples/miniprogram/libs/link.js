// A link is one connection to the broker, from open() until onEnd; it never reconnects.
//
//   const link = open(library, {
//     url, clientId, username, password,
//     keepalive,                           // s: mini-programs lose idle connections after a minute or less
//     timeout,                             // ms for the connection
//     onOpen(),                            // once, or never
//     onMessage(topic, payload, retained), // payload is a Uint8Array
//     onEnd(reason)                        // once: no connection, a lost one, or a closed one
//   })
//   link.subscribe(topic, qos, done)       // done(error) when the broker has answered
//   link.unsubscribe(topic)
//   link.publish(topic, payload, qos)      // payload is a string or a Uint8Array, never an ArrayBuffer
//   link.close()
//
// The session outlives the link (clean session false), and so do messages of QoS 1 and 2 under way:
// the next link with the same url and client id goes on with them.

// libraries: which package. require() needs literal names in a mini-program.
const libraries = {
  'paho-mqtt': (options) => require('./link-paho.js').open(options),
  'mqtt 4.1.0': (options) => require('./link-mqttjs.js').open(require('mqtt'), options),
  'mqtt 5': (options) => require('./link-mqttjs.js').open(require('mqtt-5'), options)
}

// paho-mqtt is the default: it is the only one that keeps unacknowledged messages over the end of the app.
const names = Object.keys(libraries)

function open(library, options) {
  return (libraries[library] || libraries[names[0]])(options)
}

module.exports = { open, names }
