// Frames in hex and as bytes: nothing in them says which request they answer.
import assert from 'node:assert/strict'
import test from 'node:test'
import { bytes, connect, hex, ModferryError, withCRC } from 'modferry-client'
import { Fake, quiet, topics } from './fake.mjs'

const read = (address) => ({ unit: 1, function: 4, address })
const long = { timeout: 20000 }
const registers = (value) => hex(withCRC([1, 4, 2, value >> 8, value & 255]))

function start(form, options) {
  const fake = new Fake()
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  return { fake, gateway, line: gateway.bus('line', { ...long, form, ...options }) }
}

async function refusal(promise) {
  const error = await promise.then(() => assert.fail('it was resolved'), (error) => error)
  assert.ok(error instanceof ModferryError, String(error))
  return error
}

test('one at a time, in hex and in bytes', async () => {
  for (const form of ['hex', 'binary']) {
    const { fake, gateway, line } = start(form)
    const on = (text) => fake.arrive(topics.response, form === 'hex' ? text : bytes(text))
    const asked = [line.request(read(1)), line.request('010400020001')]
    const { payload } = await fake.sent(1)
    assert.deepEqual(payload, form === 'hex' ? '010400010001600A' : bytes('010400010001600A'))
    on('01040200167930') // its CRC is that of another frame
    on('018302C0F1') // another function
    on('0204020016') // no frame
    await quiet()
    assert.equal(fake.published.length, 1)
    on(registers(22))
    assert.deepEqual((await asked[0]).values, [22])
    await fake.sent(2)
    on(registers(23).toLowerCase())
    assert.deepEqual((await asked[1]).values, [23])

    const write = line.request({ unit: 1, function: 6, address: 1, value: 3 })
    await fake.sent(3)
    on('010600010003980B')
    assert.equal((await write).outcome, 'done')
    gateway.close()
  }
})

test('a late reply is not taken for that of the next request', async () => {
  const { fake, gateway, line } = start('hex')
  const lost = await refusal(line.request(read(1), { timeout: 60, retries: 0 }))
  assert.equal(lost.code, 'timeout')
  const asked = line.request(read(2))
  const other = line.request({ unit: 2, function: 4, address: 2 }) // cannot be confused: it need not wait
  assert.match((await fake.sent(2)).payload, /^02/)
  fake.arrive(topics.response, hex(withCRC([2, 4, 2, 0, 9])))
  assert.deepEqual((await other).values, [9])
  await quiet()
  assert.equal(fake.published.length, 2)
  fake.arrive(topics.response, registers(11)) // late, of the first
  assert.match((await fake.sent(3)).payload, /^01040002/)
  fake.arrive(topics.response, registers(22))
  assert.deepEqual((await asked).values, [22])
  gateway.close()
})

test('a reply that never comes is waited for only so long', async () => {
  const { fake, gateway, line } = start('hex', { settle: 150 })
  await refusal(line.request(read(1), { timeout: 50, retries: 0 }))
  const asked = line.request(read(2))
  await fake.sent(2)
  fake.arrive(topics.response, registers(22))
  assert.deepEqual((await asked).values, [22])
  gateway.close()
})

test('a read is asked again, and one reply is enough', async () => {
  const { fake, gateway, line } = start('hex')
  const asked = line.request(read(1), { timeout: 20000, retries: 200 })
  await fake.sent(2)
  fake.arrive(topics.response, registers(5))
  assert.deepEqual((await asked).values, [5])
  const next = line.request(read(2)) // the reply to the second attempt is still owed
  await quiet()
  const count = fake.published.length
  for (let i = 1; i < count; i++) fake.arrive(topics.response, registers(5))
  await fake.sent(count + 1)
  fake.arrive(topics.response, registers(6))
  assert.deepEqual((await next).values, [6])
  gateway.close()
})

test('exceptions, and what they mean for a write', async () => {
  const { fake, gateway, line } = start('hex', { retries: 0 })
  const write = { unit: 1, function: 6, address: 1, value: 3 }
  let n = 0
  for (const [what, exception, code, outcome] of [
    [read(1), 2, 'exception', undefined], [read(1), 11, 'timeout', undefined], [read(1), 10, 'unavailable', undefined],
    [write, 1, 'exception', 'refused'], [write, 4, 'exception', 'unknown'], [write, 6, 'busy', 'refused'], [write, 11, 'timeout', 'unknown']
  ]) {
    const asked = line.request(what)
    await fake.sent(++n)
    fake.arrive(topics.response, hex(withCRC([1, what.function | 0x80, exception])))
    const error = await refusal(asked)
    assert.deepEqual([error.code, error.outcome, error.exception.code], [code, outcome, exception])
    assert.equal(/or the rules of the bus do not allow it/.test(error.message), exception < 4) // nothing in a frame tells whose it is
  }
  gateway.close()
})

test('what the error topic says ends the request', async () => {
  const { fake, gateway, line } = start('hex')
  const asked = line.request({ unit: 250, function: 6, address: 1, value: 1 })
  const { payload } = await fake.sent(1)
  fake.arrive(topics.error, 'junk')
  fake.arrive(topics.error, JSON.stringify({ code: 'bad_crc', message: 'not this one', payload: 'FF00' }))
  fake.arrive(topics.error, JSON.stringify({ code: 'bad_unit', message: 'units are 1 to 247', payload, topic: topics.request }))
  const error = await refusal(asked)
  assert.deepEqual([error.code, error.message, error.outcome], ['bad_unit', 'units are 1 to 247', 'refused'])
  assert.equal((await refusal(line.request({ unit: 0, function: 6, address: 1, value: 1 }))).code, 'invalid') // no reply would come
  gateway.close()
})

test('one topic for both directions', async () => {
  const { fake, gateway, line } = start('hex', { request: 'abc', response: 'abc' })
  const write = line.request({ unit: 1, function: 6, address: 1, value: 3 })
  const { topic, payload } = await fake.sent(1)
  assert.equal(topic, 'abc')
  fake.arrive('abc', payload) // the request itself
  await quiet()
  const state = await Promise.race([write.then(() => 'done'), quiet(0).then(() => 'waits')])
  assert.equal(state, 'waits')
  fake.arrive('abc', payload) // the reply, which is the same
  assert.equal((await write).outcome, 'done')
  const reading = line.request(read(1))
  const second = await fake.sent(2)
  fake.arrive('abc', second.payload)
  fake.arrive('abc', registers(4))
  assert.deepEqual((await reading).values, [4])
  gateway.close()
})

test('an error topic that the broker refuses can be done without', async () => {
  const fake = new Fake({ refuse: topics.error })
  const gateway = connect(fake, { gateway: 'demo', client: 'app' })
  const asked = gateway.bus('line', { form: 'hex', ...long }).request(read(1))
  await fake.sent(1)
  fake.arrive(topics.response, registers(3))
  assert.deepEqual((await asked).values, [3])
  gateway.close()
})
