// Who gets which reply, what is asked again and what is not, and that everything settles.
import assert from 'node:assert/strict'
import test from 'node:test'
import { connect, hex, ModferryError, withCRC } from 'modferry-client'
import { Fake, quiet, topics } from './fake.mjs'

const read = (address) => ({ unit: 1, function: 4, address })
const write = { unit: 1, function: 6, address: 1, value: 3 }
const long = { timeout: 20000 } // for what must not time out on a busy machine
const soon = { timeout: 150 }

function start(options, fakeOptions) {
  const fake = new Fake(fakeOptions)
  const gateway = connect(fake, { gateway: 'demo', client: 'app', ...options })
  return { fake, gateway, line: gateway.bus('line') }
}

// refusal returns the error of a promise, which must be of this package.
async function refusal(promise) {
  const error = await promise.then(() => assert.fail('it was resolved'), (error) => error)
  assert.ok(error instanceof ModferryError, String(error))
  return error
}

test('replies are matched by id, in any order, and only once', async () => {
  const { fake, line, gateway } = start(long)
  const first = line.request(read(1))
  const second = line.request(read(2))
  const { id, topic } = await fake.sent(1)
  assert.equal(topic, topics.request)
  await fake.sent(2)
  fake.arrive(topics.response, 'junk')
  fake.arrive(topics.response, '{"id":"somebody else","ok":true,"values":[9]}')
  fake.arrive(topics.response, JSON.stringify({ id, ok: true, values: [9] }), true) // retained: nobody's reply
  fake.arrive(topics.response, JSON.stringify({ id, unit: 1, function: 4 })) // a request
  await fake.reply(2, { values: [22], elapsed_ms: 1.5, frame: '01 04 02 00 16' })
  await fake.reply(1, { values: [11] })
  await fake.reply(1, { values: [99] })
  assert.deepEqual((await first).values, [11])
  const reply = await second
  assert.deepEqual([reply.values, reply.elapsed, Array.from(reply.frame)], [[22], 1.5, [1, 4, 2, 0, 22]])
  assert.deepEqual(fake.published.map((one) => one.qos), [1, 1])
  gateway.close()
})

test('a read without an answer is asked again with the same id, a write is not', async () => {
  const { fake, line, gateway } = start()
  const lost = await refusal(line.request(read(1), { timeout: 100, retries: 3 }))
  assert.equal(lost.code, 'timeout')
  assert.equal(lost.outcome, undefined)
  assert.match(lost.message, /response\/app within 0.1 s/)
  assert.equal(new Set(fake.published.map((one) => one.id)).size, 1)
  const reads = fake.published.length
  assert.ok(reads > 1 && reads <= 4, `${reads} reads`)

  const unknown = await refusal(line.request(write, { timeout: 100, retries: 3 }))
  assert.deepEqual([unknown.code, unknown.outcome], ['timeout', 'unknown'])
  assert.match(unknown.message, /may have been executed: read before/)
  assert.equal(fake.published.length, reads + 1)
  await fake.reply(1, { values: [1] }) // late: discarded
  await fake.reply(reads + 1, {})
  gateway.close()
})

test('an answer to either attempt is the answer', async () => {
  const { fake, line, gateway } = start()
  const asked = line.request(read(1), { timeout: 20000, retries: 400 })
  await fake.sent(2)
  await fake.reply(1, { values: [5] })
  assert.deepEqual((await asked).values, [5])
  await quiet()
  const count = fake.published.length
  await quiet(120)
  assert.equal(fake.published.length, count)
  gateway.close()
})

test('a busy gateway is asked again for reads, under a new id', async () => {
  const { fake, line, gateway } = start(long)
  const busy = { ok: false, error: { code: 'busy', message: 'too many', exception: 6 } }
  const asked = line.request(read(1), { retries: 1 })
  await fake.reply(1, busy)
  await fake.reply(2, { values: [7] })
  assert.deepEqual((await asked).values, [7])
  assert.notEqual(fake.published[0].id, fake.published[1].id)

  const twice = line.request(read(1), { retries: 1 })
  await fake.reply(3, busy)
  await fake.reply(4, busy)
  assert.deepEqual([(await refusal(twice)).code, fake.published.length], ['busy', 4])

  const writing = line.request(write)
  await fake.reply(5, { ...busy, outcome: 'refused' })
  const error = await refusal(writing)
  assert.deepEqual([error.code, error.outcome, error.exception.name], ['busy', 'refused', 'server device busy'])

  const refused = line.request(read(900), { retries: 5 })
  await fake.reply(6, { ok: false, frame: '018402C2C1', error: { code: 'exception', message: 'no such register', exception: 2 } })
  const exception = await refusal(refused)
  assert.deepEqual([exception.code, exception.message, exception.exception.code, exception.frame.length], ['exception', 'no such register', 2, 5])
  await quiet()
  assert.equal(fake.published.length, 6)
  gateway.close()
})

test('a connection that is lost in the middle', async () => {
  const { fake, line, gateway } = start(long)
  const reading = line.request(read(1), { retries: 0 })
  const writing = line.request(write)
  await fake.sent(2)
  fake.lose()
  fake.subscribed.length = 0
  await quiet()
  assert.equal(fake.published.length, 2)
  fake.connect()
  const again = await fake.sent(3)
  assert.deepEqual(fake.subscribed.sort(), [topics.response, topics.status])
  assert.equal(again.id, fake.published[0].id)
  await fake.reply(3, { values: [8] })
  assert.deepEqual((await reading).values, [8])
  await fake.reply(2, { function: 6, outcome: 'done' }) // a lasting session still brings it
  assert.equal((await writing).outcome, 'done')

  const lost = line.request(write, soon)
  await fake.sent(4)
  fake.lose()
  fake.connect()
  const error = await refusal(lost)
  assert.deepEqual([error.code, error.outcome], ['timeout', 'unknown'])
  assert.match(error.message, /connection to the broker was lost/)
  assert.equal(fake.published.length, 4)
  gateway.close()
})

test('a gateway that comes back is asked again what may be lost', async () => {
  const { fake, line, gateway } = start(long)
  const reading = line.request(read(1), { retries: 0 })
  const writing = line.request(write, { timeout: 500 })
  await fake.sent(2)
  fake.arrive(topics.status, 'online', true) // no news
  await quiet()
  assert.equal(fake.published.length, 2)
  fake.arrive(topics.status, 'online')
  assert.equal((await fake.sent(3)).id, fake.published[0].id)
  await fake.reply(3, { values: [1] })
  assert.deepEqual((await reading).values, [1])
  const error = await refusal(writing)
  assert.equal(error.outcome, 'unknown')
  assert.match(error.message, /gateway lost its broker/)
  assert.equal(fake.published.length, 3)
  gateway.close()
})

test('nothing is sent without a broker or a gateway, and that is said', async () => {
  const { fake, line, gateway } = start({}, { up: false })
  for (const what of [read(1), write]) {
    const error = await refusal(line.request(what, { timeout: 50 }))
    assert.deepEqual([error.code, error.outcome], ['offline', what === write ? 'refused' : undefined])
    assert.match(error.message, /no connection to the broker.*nothing was sent/)
  }
  fake.connect()
  fake.arrive(topics.status, 'offline', true)
  const error = await refusal(line.request(write, { timeout: 50 }))
  assert.deepEqual([error.code, error.outcome], ['offline', 'refused'])
  assert.match(error.message, /gateway modferry\/demo was offline/)
  assert.equal(fake.published.length, 0)
  const waiting = line.request(read(1), long)
  fake.arrive(topics.status, 'online')
  await fake.reply(1, { values: [1] })
  assert.deepEqual((await waiting).values, [1])
  gateway.close()
})

test('a publish that throws has sent nothing, and is made again', async () => {
  const { fake, line, gateway } = start(long)
  fake.broken = 'the store is full'
  const error = await refusal(line.request(write, soon))
  assert.deepEqual([error.code, error.outcome], ['timeout', 'refused'])
  assert.match(error.message, /the store is full.*nothing was sent/)
  const asked = line.request(write)
  await quiet()
  fake.broken = ''
  await fake.reply(1, { function: 6, outcome: 'done' })
  assert.equal((await asked).outcome, 'done')
  assert.equal(fake.published.length, 1)
  gateway.close()
})

test('a reply that comes before publish has returned', async () => {
  const { fake, line, gateway } = start(long)
  fake.waiters.push(() => {
    const { id } = fake.published.at(-1)
    fake.arrive(topics.response, JSON.stringify({ id, ok: true, values: [fake.published.length] }))
  })
  for (let i = 1; i < 5; i++) assert.deepEqual((await line.request(read(1))).values, [i])
  gateway.close()
})

test('a subscription that fails because the connection goes is no refusal', async () => {
  const { fake, line, gateway } = start(long)
  let broken
  fake.subscribe = () => new Promise((resolve, reject) => { broken = reject })
  const asked = line.request(read(1))
  fake.up = false
  broken(new Error('Connection closed'))
  await quiet()
  fake.lose()
  delete fake.subscribe
  fake.connect()
  await fake.reply(1, { values: [4] })
  assert.deepEqual((await asked).values, [4])
  gateway.close()
})

test('queues are bounded, and closing settles everything', async () => {
  const { fake, line, gateway } = start({ ...long, queue: 3, inFlight: 2 })
  const asked = []
  for (let i = 0; i < 2; i++) {
    asked.push(line.request(write))
    await fake.sent(i + 1)
  }
  for (let i = 0; i < 3; i++) asked.push(line.request(write))
  const full = await refusal(line.request(write))
  assert.deepEqual([full.code, full.outcome], ['queue_full', 'refused'])
  await quiet()
  assert.equal(fake.published.length, 2)
  gateway.close()
  const outcomes = await Promise.all(asked.map(async (one) => {
    const error = await refusal(one)
    return error.code + ' ' + error.outcome
  }))
  assert.deepEqual(outcomes, ['closed unknown', 'closed unknown', 'closed refused', 'closed refused', 'closed refused'])
  assert.equal((await refusal(line.request(write))).code, 'closed')
  assert.deepEqual(fake.unsubscribed.sort(), [topics.response, topics.status])
})

test('a refused subscription is an error at once', async () => {
  const { line, gateway } = start(long, { refuse: topics.response })
  const error = await refusal(line.request(write))
  assert.deepEqual([error.code, error.outcome], ['subscription', 'refused'])
  assert.match(error.message, /response\/app: not granted/)
  gateway.close()
})

test('what cannot be asked is refused before it is sent', async () => {
  const { fake, line, gateway } = start(long)
  for (const [what, code] of [[{ unit: 1, function: 4 }, 'invalid'], ['01 04 0', 'hex'], ['010400010002200C', 'crc'], ['', 'length'], [undefined, 'invalid']]) {
    assert.equal((await refusal(line.request(what))).code, code, String(what))
  }
  assert.equal((await refusal(line.request(read(1), { timeout: 0 }))).code, 'invalid')
  assert.throws(() => gateway.bus('a/b'), { code: 'invalid' })
  assert.throws(() => gateway.bus('line', { client: '+' }), { code: 'invalid' })
  assert.throws(() => gateway.bus('line', { form: 'ascii' }), { code: 'invalid' })
  assert.throws(() => connect({}, { gateway: 'demo' }), { code: 'invalid' })
  assert.throws(() => connect(new Fake(), {}), { code: 'invalid' })
  assert.equal((await refusal(gateway.set('boiler', '#', 1))).code, 'invalid')
  assert.equal(fake.published.length, 0)
  gateway.close()
})

test('the JSON of requests', async () => {
  const { fake, line, gateway } = start(long)
  const asked = [
    line.request({ unit: 1, function: 'write_multiple_registers', address: 1, values: [10, -1], timeout_ms: 500 }),
    line.request({ unit: 1, function: 23, address: 1, quantity: 2, write_address: 5, values: Uint16Array.of(7) }),
    line.request({ unit: 1, function: 15, address: 0, values: new Array(1968).fill(true), expires: 1e12 }), // too long as a list
    line.request({ unit: 17, function: 7, data: [] }), line.request('01 04 00 01 00 02'), line.request(Uint8Array.of(1, 5, 0, 1, 255, 0))
  ]
  await fake.sent(6)
  const sent = fake.published.map(({ id, topic, payload, qos, ...fields }) => fields)
  assert.deepEqual(sent, [
    { unit: 1, function: 16, address: 1, values: [10, -1], timeout_ms: 500 },
    { unit: 1, function: 23, address: 1, quantity: 2, write_address: 5, values: [7] },
    { frame: hex(withCRC([1, 15, 0, 0, 7, 0xb0, 246, ...new Array(246).fill(255)])), expires: 1e12 },
    { frame: '11074C22' }, { frame: '010400010002200B' }, { frame: '01050001FF00DDFA' }
  ])
  gateway.close()
  for (const one of asked) await refusal(one)
})

test('setting a reading', async () => {
  const { fake, gateway } = start(long)
  const setting = gateway.set('boiler', 'setpoint', 21.5)
  const { topic, id, value } = await fake.sent(1)
  assert.deepEqual([topic, value], ['modferry/demo/device/boiler/setpoint/set', 21.5])
  fake.arrive(topic + '/result', '{"ok":true,"value":3,"outcome":"done"}') // somebody else's
  fake.arrive(topic + '/result', JSON.stringify({ id, ok: true, value: 21.5, outcome: 'done' }))
  assert.deepEqual(await setting, { ok: true, value: 21.5, outcome: 'done' })
  const denied = gateway.set('boiler', 'setpoint', 35)
  const second = await fake.sent(2)
  fake.arrive(topic + '/result', JSON.stringify({ id: second.id, ok: false, error: { code: 'denied', message: 'it must be -10 to 30' }, outcome: 'refused' }))
  const error = await refusal(denied)
  assert.deepEqual([error.code, error.message, error.outcome], ['denied', 'it must be -10 to 30', 'refused'])
  gateway.close()
})
