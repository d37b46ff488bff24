// MQTT.js 4.1.0, the version that many mini-programs use: the frame as hex text.
// Arguments: see settings.mjs. In a mini-program the address begins with wxs://.
const mqtt = require('mqtt-4')

async function main() {
  const { answers, explain, fromHex } = await import('./modbus.mjs')
  const { inTime, settings } = await import('./settings.mjs')
  const set = settings('mqttjs-4')
  const request = fromHex(set.frame)

  const client = mqtt.connect(set.url, {
    clientId: set.clientId,
    username: set.username,
    password: set.password,
    clean: false,
    keepalive: 30,
    connectTimeout: set.timeout
  })
  // done turns a callback of this version into a promise.
  const done = (start) => new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)))
  })

  let waiting = true // for the reply, once the request is on its way
  const reading = new Promise((resolve) => {
    client.on('message', (topic, payload, packet) => {
      if (topic === set.reading && packet.retain) resolve(payload.toString())
    })
  })
  const reply = new Promise((resolve) => {
    client.on('message', (topic, payload) => {
      if (topic !== set.response || waiting) return
      try {
        const text = payload.toString()
        if (answers(request, fromHex(text))) resolve(text)
      } catch {
        // something else on a shared topic
      }
    })
  })

  try {
    await inTime(new Promise((resolve, reject) => client.on('connect', resolve).on('error', reject)), set.timeout, 'connection')
    await inTime(done((callback) => client.subscribe([set.response, set.reading], { qos: 2 }, callback)), set.timeout, 'subscription')
    console.log('reading', await inTime(reading, set.timeout, 'reading'))
    waiting = false
    await inTime(done((callback) => client.publish(set.request, set.frame, { qos: 2 }, callback)), set.timeout, 'acknowledgement')
    const text = await inTime(reply, set.timeout, 'reply')
    console.log('reply', text)
    console.log(explain(fromHex(text)))
  } finally {
    client.end(true)
  }
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
