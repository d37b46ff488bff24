// What an error says of why there is no reply.
import assert from 'node:assert/strict'
import test from 'node:test'
import { connect, ModferryError } from 'modferry-client'
import { Fake, topics } from './fake.mjs'

const read = (address) => ({ unit: 1, function: 4, address })
const write = { unit: 1, function: 6, address: 1, value: 3 }
const long = { timeout: 20000 } // for what must not time out on a busy machine

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

test('a bus that does not exist is told from one that is silent', async () => {
  const status = 'modferry/demo/bus/line/status'
  const { fake, line, gateway } = start()
  fake.arrive(topics.status, 'online', true)
  for (const what of [read(1), write]) {
    const error = await refusal(line.request(what, { timeout: 100 }))
    assert.equal(error.code, 'timeout')
    assert.match(error.message, /gateway modferry\/demo is online and has no bus "line", or the broker does not let this client read modferry\/demo\/bus\/line\/status/)
  }
  assert.equal(fake.subscribed.filter((one) => one === status).length, 1)
  fake.arrive(status, '{"state":"open"}', true)
  assert.ok(fake.unsubscribed.includes(status)) // its counters need not come for ever
  assert.doesNotMatch((await refusal(line.request(read(1), { timeout: 100 }))).message, /has no bus/)
  gateway.close()

  const other = start()
  other.fake.arrive(topics.status, 'online', true)
  const answered = other.line.request(read(1))
  await other.fake.reply(1, { values: [1] })
  await answered
  await refusal(other.line.request(read(1), { timeout: 100 }))
  assert.ok(!other.fake.subscribed.includes(status)) // it has answered before: nobody has to ask
  other.gateway.close()

  const hidden = start({}, { refuse: status })
  hidden.fake.arrive(topics.status, 'online', true)
  assert.doesNotMatch((await refusal(hidden.line.request(read(1), { timeout: 100 }))).message, /has no bus/)
  hidden.gateway.close()
})

test('what the gateway itself refused has no hint of the device', async () => {
  const { fake, line, gateway } = start(long)
  const hints = []
  for (const [code, exception] of [['denied', 2], ['invalid', 3], ['expired', 6], ['exception', 2], ['timeout', 11]]) {
    const asked = line.request(write)
    await fake.reply(hints.length + 1, { ok: false, error: { code, message: 'no', exception }, outcome: 'refused' })
    hints.push((await refusal(asked)).exception.hint.slice(0, 19))
  }
  assert.deepEqual(hints, ['', '', '', 'the device has no s', 'no device answered:'])
  gateway.close()
})
