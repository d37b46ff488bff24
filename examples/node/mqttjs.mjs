// MQTT.js 5: the frame as hex text. Arguments: see settings.mjs.
import mqtt from 'mqtt'
import { answers, explain, fromHex } from './modbus.mjs'
import { inTime, settings } from './settings.mjs'

const set = settings('mqttjs')

const client = await inTime(mqtt.connectAsync(set.url, {
  clientId: set.clientId,
  username: set.username,
  password: set.password,
  clean: false, // what is published while the app is away waits for it at the broker
  keepalive: 30,
  connectTimeout: set.timeout
}), set.timeout, 'connection')

// message resolves with the first message on topic that is wanted.
function message(topic, wanted) {
  return new Promise((resolve) => {
    client.on('message', (where, payload, packet) => {
      if (where === topic && wanted(payload, packet)) resolve(payload)
    })
  })
}

try {
  const reading = message(set.reading, (_, packet) => packet.retain)
  // Subscribe before asking, or the reply may be gone before you listen.
  await inTime(client.subscribeAsync([set.response, set.reading], { qos: 2 }), set.timeout, 'subscription')
  console.log('reading', String(await inTime(reading, set.timeout, 'reading')))

  const request = fromHex(set.frame)
  const isReply = (payload) => {
    try {
      return answers(request, fromHex(String(payload)))
    } catch {
      return false // something else on a shared topic
    }
  }
  const reply = message(set.response, isReply)
  await inTime(client.publishAsync(set.request, set.frame, { qos: 2 }), set.timeout, 'acknowledgement')
  const text = String(await inTime(reply, set.timeout, 'reply'))
  console.log('reply', text)
  console.log(explain(fromHex(text)))
} finally {
  await client.endAsync()
}
