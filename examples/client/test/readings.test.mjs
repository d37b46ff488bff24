// Readings and states to subscribe to.
import assert from 'node:assert/strict'
import test from 'node:test'
import { connect } from 'modferry-client'
import { Fake, prefix, quiet } from './fake.mjs'

const device = `${prefix}/device/sensor`
const at = '2026-11-23T18:00:00.123Z'
const sample = (value, more) => JSON.stringify({ value, unit: '°C', quality: 'good', time: at, ...more })

function start(options) {
  const fake = new Fake()
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const seen = []
  const stop = gateway.reading('sensor', 'temperature', options).subscribe((value) => seen.push(value))
  return { fake, gateway, seen, stop }
}

test('a reading, from the retained one on', async () => {
  const { fake, gateway, seen, stop } = start()
  assert.deepEqual(fake.subscribed, [`${prefix}/status`, `${device}/status`, `${device}/temperature`])
  fake.arrive(`${prefix}/status`, 'online', true)
  fake.arrive(`${device}/status`, 'online', true)
  assert.equal(seen.length, 0)
  fake.arrive(`${device}/temperature`, sample(23.4), true)
  fake.arrive(`${device}/temperature`, sample(23.5))
  fake.arrive(`${device}/humidity`, sample(50))
  assert.deepEqual(seen.map((one) => [one.value, one.unit, one.quality, one.time.toISOString(), one.offline]), [23.4, 23.5].map((value) => [value, '°C', 'good', at, '']))
  assert.ok(seen[0].age > 0)
  fake.arrive(`${device}/temperature`, sample(null, { quality: 'bad' }))
  assert.deepEqual([seen[2].value, seen[2].quality], [null, 'bad'])
  stop()
  stop()
  assert.deepEqual(fake.unsubscribed.sort(), [`${device}/status`, `${device}/temperature`])
  fake.arrive(`${device}/temperature`, sample(1))
  assert.equal(seen.length, 3)
  gateway.close()
})

test('it is stale while the device, the gateway or the connection is away', () => {
  const { fake, gateway, seen } = start()
  const last = () => [seen.at(-1).value, seen.at(-1).quality, seen.at(-1).offline]
  fake.arrive(`${device}/temperature`, sample(23.4), true)
  assert.deepEqual(last(), [23.4, 'good', ''])
  fake.arrive(`${device}/status`, 'offline')
  assert.deepEqual(last(), [23.4, 'stale', 'device'])
  fake.arrive(`${device}/status`, 'online')
  assert.deepEqual(last(), [23.4, 'good', ''])
  fake.arrive(`${prefix}/status`, 'offline')
  assert.deepEqual(last(), [23.4, 'stale', 'gateway'])
  fake.arrive(`${prefix}/status`, 'online')
  fake.lose()
  assert.deepEqual(last(), [23.4, 'stale', 'connection'])
  fake.connect()
  assert.deepEqual(last(), [23.4, 'good', ''])
  assert.equal(seen.length, 7)
  fake.arrive(`${prefix}/status`, 'online') // nothing new
  assert.equal(seen.length, 7)
  gateway.close()
})

test('a subscription that the broker refuses is told', async () => {
  const fake = new Fake({ refuse: `${device}/temperature` })
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const errors = []
  gateway.reading('sensor', 'temperature').subscribe(() => {}, (error) => errors.push(error))
  gateway.watch('device/sensor/temperature', () => {}, (error) => errors.push(error))
  gateway.reading('sensor', 'temperature').subscribe(() => {}) // nobody has to hear it
  await quiet(0)
  assert.ok(errors.length >= 2)
  for (const error of errors) assert.deepEqual([error.code, error.message], ['subscription', `the broker does not let this client subscribe to ${device}/temperature: not granted`])
  gateway.close()
})

test('other forms of payload', () => {
  for (const [options, payload, value] of [
    [undefined, '23.4', 23.4], [{ form: 'value' }, 'true', true], [{ form: 'value' }, 'heat', 'heat'], [{ form: 'value' }, '[1,2]', [1, 2]],
    [undefined, sample(['a', 'b']), ['a', 'b']], [undefined, sample(false), false],
    [{ form: 'hex', type: 'int16', scale: 0.1, unit: '°C' }, '010402FF38F912', -20], [{ form: 'hex', scale: 0.1 }, '01 04 02 01 31 79 74', 30.5],
    [{ form: 'binary', scale: 0.1 }, Uint8Array.of(1, 4, 2, 1, 0x31, 0x79, 0x74), 30.5],
    [{ form: 'hex', type: 'uint32' }, '010404013102222ACE', 0x01310222]
  ]) {
    const { fake, gateway, seen } = start(options)
    fake.arrive(`${device}/temperature`, payload, true)
    assert.deepEqual(seen.map((one) => one.value), [value])
    assert.equal(seen[0].time, typeof payload === 'string' && payload.startsWith('{') ? seen[0].time : null) // a retained value has no time
    gateway.close()
  }
  for (const [options, payload] of [[{ form: 'hex' }, '01040201317975'], [{ form: 'hex' }, '018402C2C1'], [{ form: 'hex' }, 'x'], [{ form: 'binary' }, ''], [undefined, '']]) {
    const { fake, gateway, seen } = start(options)
    fake.arrive(`${device}/temperature`, payload)
    assert.equal(seen.length, 0, payload)
    gateway.close()
  }
  const { gateway } = start()
  assert.throws(() => gateway.reading('sensor', 'temperature', { form: 'xml' }), { code: 'invalid' })
  assert.throws(() => gateway.reading('sensor', 'a/b'), { code: 'invalid' })
  gateway.close()
})

test('what is not new is not told, whatever is repeated around a reconnect', async () => {
  const { fake, gateway, seen } = start()
  const states = []
  gateway.status().subscribe((one) => states.push(`${one.connected} ${one.gateway}`))
  const retained = () => {
    for (let i = 0; i < 2; i++) {
      fake.arrive(`${prefix}/status`, 'online', true)
      fake.arrive(`${device}/status`, 'online', true)
      fake.arrive(`${device}/temperature`, sample(23.4), true)
    }
  }
  retained()
  await quiet(0) // the subscriptions are granted
  fake.lose()
  fake.connect()
  retained()
  await quiet(0)
  assert.deepEqual(states, ['true unknown', 'true online', 'false online', 'true online'])
  assert.deepEqual(seen.map((one) => one.offline), ['', 'connection', ''])
  fake.arrive(`${device}/temperature`, sample(23.4, { time: '2026-11-23T18:01:00.123Z' })) // the same, and newer
  assert.equal(seen.length, 4)
  gateway.close()
})

test('several listeners share one, and a later one gets the latest value', () => {
  const fake = new Fake()
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const reading = gateway.reading('sensor', 'temperature')
  const first = []
  const second = []
  const stop = reading.subscribe((one) => first.push(one.value))
  fake.arrive(`${device}/temperature`, sample(1))
  const stopSecond = reading.subscribe((one) => second.push(one.value))
  fake.arrive(`${device}/temperature`, sample(2))
  stop()
  fake.arrive(`${device}/temperature`, sample(3))
  stopSecond()
  assert.deepEqual([first, second], [[1, 2], [1, 2, 3]])
  gateway.close()
})

test('states of the gateway and of a bus, and whatever else is there', () => {
  const fake = new Fake()
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const states = []
  const buses = []
  const seen = []
  gateway.status().subscribe((one) => states.push(`${one.connected} ${one.gateway}`))
  gateway.bus('line').status().subscribe((one) => buses.push(one.state))
  const stop = gateway.watch('device/+/+', (one) => seen.push(`${one.topic.slice(prefix.length)} ${one.text} ${one.retained}`))
  fake.arrive(`${prefix}/status`, 'online', true)
  fake.arrive(`${prefix}/bus/line/status`, '{"state":"open","queue":0}', true)
  fake.arrive(`${prefix}/bus/line/status`, 'junk')
  fake.arrive(`${device}/temperature`, '23.4 °C', true)
  fake.arrive(`${device}/temperature/set`, '1')
  stop()
  fake.arrive(`${device}/temperature`, '24')
  fake.lose()
  assert.deepEqual(states, ['true unknown', 'true online', 'false online'])
  assert.deepEqual(buses, ['open'])
  assert.deepEqual(seen, ['/device/sensor/temperature 23.4 °C true'])
  gateway.close()
})

test('an app that throws in a listener does not end the connection', async () => {
  const fake = new Fake()
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const later = []
  const original = globalThis.setTimeout
  globalThis.setTimeout = (f, ms) => { later.push(f); return original(() => {}, ms) }
  try {
    gateway.reading('sensor', 'temperature').subscribe(() => { throw new Error('of the app') })
    fake.arrive(`${device}/temperature`, sample(1))
  } finally {
    globalThis.setTimeout = original
  }
  await quiet(0)
  assert.throws(later[0], /of the app/) // it is thrown where the app can see it
  gateway.close()
})
