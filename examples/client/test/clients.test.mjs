// Real MQTT clients, a real broker, gateway and device. PLACE is the JSON line of
// "modferry demo", or one like it for another broker.
import assert from 'node:assert/strict'
import test from 'node:test'
import { connect, decode, explain, hex, ModferryError } from 'modferry-client'
import { libraries } from './libraries.mjs'

const place = JSON.parse(process.env.PLACE)
const options = { gateway: place.gateway, client: 'test-' + Math.random().toString(36).slice(2), timeout: 15000 }

const ways = Object.keys(libraries).map((name) => [name, place.websocket])
for (const name of ['MQTT.js 5', 'MQTT.js 4.1.0']) ways.push([name, place.mqtt]) // paho-mqtt has WebSocket only

for (const [name, url] of ways) {
  test(`${name} at ${url}`, async () => {
    const { client, end } = libraries[name](url)
    const gateway = connect(client, options)
    try {
      await reading(gateway)
      for (const form of ['json', 'hex', 'binary']) await exchange(gateway, form)
      await order(gateway)
      await second(client, gateway)
      await wrongBus(gateway)
    } finally {
      gateway.close()
      end()
    }
  })
}

async function reading(gateway) {
  const value = await new Promise((resolve) => {
    const stop = gateway.reading(place.device, 'temperature').subscribe((one) => {
      if (one.offline) return
      setTimeout(() => stop(), 0)
      resolve(one)
    })
  })
  assert.equal(typeof value.value, 'number')
  assert.equal(value.unit, '°C')
  assert.equal(value.quality, 'good')
  assert.ok(value.age < 60000)
}

async function exchange(gateway, form) {
  const line = gateway.bus(place.bus, { form })
  const read = { unit: place.unit, function: 4, address: 1, quantity: 2 }
  const answer = await line.request(read)
  assert.equal(answer.values.length, 2)
  assert.ok(Math.abs(decode(answer.values, { type: 'int16', scale: 0.1 })) < 100)
  assert.equal(explain(answer.frame, read).at(-1).value, 'right')

  const written = await line.request({ unit: place.unit, function: 6, address: 0x103, value: 5 })
  assert.equal(written.outcome, 'done')
  assert.equal(hex(written.frame), '010601030005B835')
  assert.deepEqual((await line.request('01 03 01 03 00 01')).values, [5])

  const error = await line.request({ unit: place.unit, function: 3, address: 900 }).then(() => assert.fail('no such register'), (error) => error)
  assert.ok(error instanceof ModferryError)
  assert.deepEqual([error.code, error.exception.code, error.outcome], ['exception', 2, undefined])
  const denied = await line.request({ unit: place.unit, function: 6, address: 900, value: 1 }).then(() => assert.fail('not allowed'), (error) => error)
  assert.deepEqual([denied.code, denied.outcome], [form === 'json' ? 'denied' : 'exception', 'refused'])
}

// order asks many things at once: each promise gets its own answer.
async function order(gateway) {
  const line = gateway.bus(place.bus)
  const asked = []
  for (let i = 0; i < 30; i++) asked.push(line.request({ unit: place.unit, function: 4, address: 1, quantity: 1 + i % 2 }))
  const answers = await Promise.all(asked)
  assert.deepEqual(answers.map((one) => one.values.length), asked.map((_, i) => 1 + i % 2))
}

// second connects once more by the same client: it hears what is retained, and its end is no end for the first.
async function second(client, gateway) {
  const other = connect(client, options)
  const states = []
  const online = new Promise((resolve) => other.status().subscribe((one) => {
    states.push(one.gateway)
    if (one.gateway === 'online') resolve()
  }))
  await reading(other)
  await reading(other) // again, by the same object
  await online
  assert.ok(states.length <= 2, String(states))
  await other.bus(place.bus).request({ unit: place.unit, function: 4, address: 1 })
  other.close()
  await gateway.bus(place.bus).request({ unit: place.unit, function: 4, address: 1 })
  await reading(gateway)
}

async function wrongBus(gateway) {
  const error = await gateway.bus('lin').request({ unit: 1, function: 4, address: 1 }, { timeout: 3000 }).catch((error) => error)
  assert.equal(error.code, 'timeout')
  assert.match(error.message, /is online and has no bus "lin"/)
}
