// What the adapters make of clients of MQTT.js and paho-mqtt that misbehave as the real ones do.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import test from 'node:test'
import { connect, mqttjs, paho } from 'modferry-client'
import { Fake, prefix, quiet, topics } from './fake.mjs'

class MQTTjs extends EventEmitter {
  connected = false
  sent = []
  subscribed = []
  publish(topic, payload, options, done) { this.sent.push(topic); done() }
  known = new Set()
  subscribe(filters, options, done) { // as the real one: what is known already is not sent
    const { resubscribe, ...wanted } = filters
    const sent = Object.keys(wanted).filter((topic) => resubscribe || !this.known.has(topic))
    sent.forEach((topic) => this.known.add(topic))
    this.subscribed.push(...sent)
    done(null, sent.map((topic) => ({ topic, qos: this.granted ?? wanted[topic].qos })))
  }

  unsubscribed = []
  unsubscribe(topic, done) { this.known.delete(topic); this.unsubscribed.push(topic); done() }
}

class Paho {
  sent = []
  isConnected() { return this.up }
  send(topic, payload, qos, retained) { this.sent.push([topic, qos, retained]) }
  subscribe(topic, options) { options.onSuccess({}) }
  unsubscribe() {}
}

const read = { unit: 1, function: 4, address: 1 }

test('MQTT.js is not given what it would keep and send at any later time', async () => {
  const client = new MQTTjs()
  assert.throws(() => mqttjs(client).publish('a', 'b', 1), { code: 'offline' })
  const gateway = connect(client, { gateway: 'demo', client: 'app' })
  const lost = await gateway.bus('line').request(read, { timeout: 50 }).catch((error) => error)
  assert.equal(lost.code, 'offline')
  assert.equal(client.sent.length + client.subscribed.length, 0)
  client.connected = true
  client.emit('connect')
  assert.deepEqual(client.subscribed, [topics.status, topics.response])
  client.emit('connect') // 4.1.0 tells nothing of a loss in a mini-program
  assert.equal(client.subscribed.length, 4)
  gateway.close()
  for (const event of client.eventNames()) assert.equal(client.listenerCount(event), 0, event)
})

test('gateway objects that share a client', () => {
  const client = Object.assign(new MQTTjs(), { connected: true })
  const first = connect(client, { gateway: 'demo', client: 'app' })
  const second = connect(client, { gateway: 'demo', client: 'app' })
  assert.deepEqual(client.subscribed, [topics.status, topics.status]) // the second one hears what is retained, too
  first.close()
  first.close()
  assert.deepEqual(client.unsubscribed, [])
  const states = []
  second.status().subscribe((one) => states.push(one.gateway))
  client.emit('message', topics.status, new TextEncoder().encode('online'), { retain: true })
  assert.deepEqual(states, ['unknown', 'online'])
  second.close()
  assert.deepEqual(client.unsubscribed, [topics.status])
})

test('MQTT.js: a subscription that is not granted', async () => {
  const client = Object.assign(new MQTTjs(), { connected: true, granted: 128 })
  const gateway = connect(client, { gateway: 'demo', client: 'app' })
  const refused = await gateway.bus('line').request(read).catch((error) => error)
  assert.equal(refused.code, 'subscription')
  gateway.close()
})

test("paho: the app's own handlers are called, too", async () => {
  const client = new Paho()
  const calls = []
  for (const name of ['onMessageArrived', 'onConnected', 'onConnectionLost']) client[name] = (value) => calls.push([name, value])
  assert.throws(() => paho(new Paho()).publish('a', 'b', 1), { code: 'offline' })
  const gateway = connect(client, { gateway: 'demo', client: 'app' })
  const states = []
  gateway.status().subscribe((one) => states.push(one.connected))
  client.up = true
  client.onConnected(false)
  client.onMessageArrived({ destinationName: topics.status, payloadBytes: new TextEncoder().encode('online'), retained: true })
  const asked = gateway.bus('line').request(read, { timeout: 50, retries: 0 }).catch((error) => error.code)
  await quiet()
  assert.deepEqual(client.sent, [[topics.request, 1, false]])
  client.up = false
  client.onConnectionLost({ errorCode: 8 })
  assert.equal(await asked, 'timeout')
  gateway.close()
  client.onConnected(false)
  assert.deepEqual(calls.map((one) => one[0]), ['onConnected', 'onMessageArrived', 'onConnectionLost', 'onConnected'])
  assert.deepEqual([states[0], states.at(-1)], [false, false])
})

test('whatever arrives, nothing is thrown into the MQTT client', async () => {
  let seed = 7
  const random = (n) => {
    seed = Math.imul(seed, 1103515245) + 12345 & 0x7fffffff
    return (seed >> 8) % n
  }
  const pieces = ['{"id":', '"ok":true', '"ok":false', ',', '}', '{', '[', ']', 'null', '"error":', '"values":', '"frame":1', '{}', '"id":"app', 'online', '010402', '"payload":"01"', '"code":1']
  for (const form of ['json', 'hex', 'binary']) {
    const fake = new Fake()
    const gateway = connect(fake, { gateway: 'demo', client: 'app', timeout: 20000 })
    for (const one of ['json', 'value', 'hex', 'binary']) gateway.reading('sensor', 'temperature', { form: one }).subscribe(() => {})
    const asked = gateway.bus('line', { form }).request(read).catch((error) => error.name)
    await fake.sent(1)
    const { id } = fake.published[0]
    for (let i = 0; i < 3000; i++) {
      const topic = [topics.response, topics.error, topics.status, `${prefix}/device/sensor/temperature`, `${prefix}/device/sensor/status`, '', 'other'][random(7)]
      const payload = random(2) ? Uint8Array.from({ length: random(40) }, () => random(256)) : Array.from({ length: random(6) }, () => pieces[random(pieces.length)]).join('')
      fake.arrive(topic, payload, random(2) === 1)
    }
    for (const odd of [null, 1, [], {}, { id }, { id, ok: 1 }, { id, ok: false, error: 1 }]) fake.arrive(topics.response, JSON.stringify(odd))
    fake.arrive(topics.response, new ArrayBuffer(3))
    fake.arrive(topics.response, '')
    gateway.close()
    assert.ok(['ModferryError', undefined].includes(await asked))
  }
})
