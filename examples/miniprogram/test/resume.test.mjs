// A write whose connection is cut at each step of its way: it is carried out once, and the app gets its
// reply once.

import assert from 'node:assert'
import { test } from 'node:test'
import { libraries, observer, phone, place, start, until } from './place.mjs'
import { Network } from './network.mjs'

const REQUEST = { 1: [['app', 'PUBLISH'], ['broker', 'PUBACK']], 2: [['app', 'PUBLISH'], ['broker', 'PUBREC'], ['app', 'PUBREL'], ['broker', 'PUBCOMP']] }
const REPLY = { 1: [['broker', 'PUBLISH'], ['app', 'PUBACK']], 2: [['broker', 'PUBLISH'], ['app', 'PUBREC'], ['broker', 'PUBREL'], ['app', 'PUBCOMP']] }

// At QoS 1 a request may reach the gateway twice; the id of a JSON request tells that it is the same.
const forms = { 1: 0, 2: 2 }

const hex = (value) => value.toString(16).toUpperCase().padStart(2, '0')

const steps = []
for (const when of ['before', 'after']) {
  for (const qos of [1, 2]) {
    for (const [from, type] of REQUEST[qos]) steps.push({ of: 'request', qos, cut: { from, type, when } })
    for (const [from, type] of REPLY[Math.min(qos, place.qos || 1)]) steps.push({ of: 'response', qos, cut: { from, type, when } })
  }
}

// online waits for another connection, and has the phone say that there is a network, which ends a wait.
const online = (program, network, lines) => until(() => {
  if (program.page.text('connection') === 'No connection') program.changeNetwork({ isConnected: true, networkType: 'wifi' })
  return network.lines > lines && program.page.text('connection') === 'Connected'
}, () => program.page.text() + program.problems.join('\n'))

// at runs one library through all steps.
async function at(t, library) {
  const network = await new Network(place.websocket).ready
  t.after(() => network.close())
  const { messages } = await observer(t, ['audit'])
  const program = start(t, { phone: phone({ library, url: network.url }) })
  await online(program, network, 0)
  const session = program.app.session
  const replies = [] // as hex
  const heard = session.connection.handlers.onMessage
  session.connection.handlers.onMessage = (topic, payload, retained) => {
    if (topic.includes('/response/')) replies.push(Buffer.from(payload).toString('hex'))
    heard(topic, payload, retained)
  }
  const writes = () => messages.map((message) => JSON.parse(message.payload)).filter((write) => write.client === session.settings.clientId)

  // write sends one with this value, as a person does.
  const write = async (value, qos, cut) => {
    session.settings.qos = qos
    session.configure(session.settings)
    await until(() => session.connection.state === 'online', 'the connection is renewed')
    program.page.pick('form', forms[qos])
    program.page.input('frame', '01 06 01 03 00 ' + hex(value))
    network.cutAt(cut)
    program.page.tap('send')
  }
  const answered = async (value) => {
    await until(() => !program.page.instance.data.busy, () => 'there is a reply: ' + JSON.stringify(network.packets.slice(-20)))
    assert.match(program.page.text('reply'), new RegExp(`^01 06 01 03 00 ${hex(value)} .. ..$`), program.page.text())
    await until(() => writes().some((one) => one.values[0] === value), 'the audit tells')
  }

  for (const [i, { of, qos, cut }] of steps.entries()) {
    await t.test(`${cut.when} the ${cut.type} of the ${of}, request at QoS ${qos}`, async () => {
      const cuts = network.cuts
      await write(i + 1, qos, { ...cut, topic: `modferry/${place.gateway}/bus/${place.bus}/${of}/${session.settings.clientId}` })
      await until(() => network.cuts > cuts, 'the connection is cut')
      await online(program, network, network.cutLine)
      await answered(i + 1)
      if (place.qos === 2 && qos === 2) assert.strictEqual(replies.filter((reply) => reply.startsWith('0106010300' + hex(i + 1).toLowerCase())).length, 1)
    })
  }
  // Nothing comes late: after one more write each value was written once, in this order.
  await write(100, 2)
  await answered(100)
  assert.deepStrictEqual(writes().map((one) => [one.values[0], one.outcome]), [...steps.map((_, i) => [i + 1, 'done']), [100, 'done']])
  assert.deepStrictEqual(program.problems, [])
}

test('a write is carried out and answered once, wherever the connection is cut', { concurrency: true }, (t) =>
  Promise.all(libraries.map((library) => t.test(library, (t) => at(t, library)))))

// The end of the app, after the broker has the request and before it has been told to pass it on.
test('a write goes on after the end of the app, with paho-mqtt', async (t) => {
  const network = await new Network(place.websocket).ready
  t.after(() => network.close())
  const { messages } = await observer(t, ['audit'])
  const mobile = phone({ url: network.url })
  const program = start(t, { phone: mobile })
  await online(program, network, 0)
  const { clientId } = program.app.session.settings
  network.cutAt({ from: 'app', type: 'PUBREL', when: 'before', topic: `modferry/${place.gateway}/bus/${place.bus}/request/${clientId}` })
  program.page.pick('form', 2)
  program.page.input('frame', '01 06 01 03 00 50')
  program.page.tap('send')
  await until(() => network.cuts > 0, 'the connection is cut')
  program.kill()
  const lines = network.lines
  const again = start(t, { phone: mobile })
  await online(again, network, lines)
  const mine = () => messages.map((message) => JSON.parse(message.payload)).filter((write) => write.client === clientId)
  await until(() => mine().length > 0, 'it is carried out')
  again.page.input('frame', '01 06 01 03 00 51')
  again.page.tap('send')
  await until(() => again.page.text('reply') === '01 06 01 03 00 51 B9 CA', () => again.page.text())
  await until(() => mine().length > 1, 'the audit tells')
  assert.deepStrictEqual(mine().map((write) => write.values[0]), [0x50, 0x51])
  await until(() => ![...mobile.storage.keys()].some((key) => /^mqtt:Sent/.test(key)), 'nothing is left in storage')
})
