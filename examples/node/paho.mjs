// Eclipse Paho 1.1.0: the frame as bytes. Arguments: see settings.mjs.
import './paho-globals.mjs'
import Paho from 'paho-mqtt'
import { answers, explain, fromHex, toHex } from './modbus.mjs'
import { inTime, settings } from './settings.mjs'

const set = settings('paho')
const client = new Paho.Client(set.url, set.clientId)

const listeners = new Set()
client.onMessageArrived = (arrived) => listeners.forEach((listener) => listener(arrived))

// message resolves with the first message on topic that is wanted.
function message(topic, wanted) {
  return new Promise((resolve) => {
    listeners.add((arrived) => {
      if (arrived.destinationName === topic && wanted(arrived)) resolve(arrived)
    })
  })
}

// done starts something that ends in onSuccess or onFailure.
const done = (start) => new Promise((resolve, reject) => {
  start({ onSuccess: resolve, onFailure: (failure) => reject(new Error(failure.errorMessage ?? `refused: ${failure.errorCode}`)) })
})

try {
  await done((callbacks) => client.connect({
    userName: set.username,
    password: set.password,
    cleanSession: false, // what is published while the app is away waits for it at the broker
    keepAliveInterval: 30,
    mqttVersion: 4,
    timeout: set.timeout / 1000,
    ...callbacks
  }))
  const reading = message(set.reading, (arrived) => arrived.retained)
  // Subscribe before asking, or the reply may be gone before you listen.
  for (const topic of [set.response, set.reading]) {
    await done((callbacks) => client.subscribe(topic, { qos: 2, timeout: set.timeout / 1000, ...callbacks }))
  }
  console.log('reading', (await inTime(reading, set.timeout, 'reading')).payloadString)

  const request = fromHex(set.frame)
  const reply = message(set.response, (arrived) => answers(request, arrived.payloadBytes))
  const asked = new Paho.Message(request) // a Uint8Array: an ArrayBuffer would arrive empty
  asked.destinationName = set.request
  asked.qos = 2
  client.send(asked)
  const { payloadBytes } = await inTime(reply, set.timeout, 'reply')
  console.log('reply', toHex(payloadBytes))
  console.log(explain(payloadBytes))
} finally {
  if (client.isConnected()) client.disconnect()
}
