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

for (const library of libraries) {
  test(`${library}: a write is carried out and answered once, wherever the connection is cut`, async (t) => {
    const network = await new Network(place.websocket).ready
    t.after(() => network.close())
    const { messages } = await observer(t, ['audit'])
    const program = start(t, { phone: phone({ library, url: network.url }) })
    await online(program, network, 0)
    const session = program.app.session
    const replies = []
    const heard = session.connection.handlers.onMessage
    session.connection.handlers.onMessage = (topic, payload, retained) => {
      if (topic.includes('/response/')) replies.push(topic)
      heard(topic, payload, retained)
    }
    let value = 0
    for (const { of, qos, cut } of steps) {
      await t.test(`${cut.when} the ${cut.type} of the ${of}, request at QoS ${qos}`, async () => {
        value++
        session.settings.qos = qos
        session.configure(session.settings)
        await until(() => session.connection.state === 'online', 'the connection is renewed')
        program.page.pick('form', forms[qos])
        program.page.input('frame', '01 06 01 03 00 ' + value.toString(16).padStart(2, '0'))
        replies.length = 0
        const cuts = network.cuts
        const lines = network.lines
        network.cutAt({ ...cut, topic: `modferry/${place.gateway}/bus/${place.bus}/${of}/${session.settings.clientId}` })
        program.page.tap('send')
        await until(() => network.cuts > cuts, 'the connection is cut')
        await online(program, network, lines)
        await until(() => !program.page.instance.data.busy, () => 'there is a reply: ' + JSON.stringify(network.packets.slice(-20)))
        assert.match(program.page.text('reply'), new RegExp(`^01 06 01 03 00 ${value.toString(16).padStart(2, '0')} .. ..$`, 'i'), program.page.text())
        const mine = () => messages.map((message) => JSON.parse(message.payload)).filter((write) => write.client === session.settings.clientId && write.values[0] === value)
        await until(() => mine().length > 0, 'the audit tells')
        if (place.qos === 2 && qos === 2) assert.strictEqual(replies.length, 1)
        assert.deepStrictEqual(mine().map((write) => write.outcome), ['done'])
      })
    }
    // Nothing comes late: each value was written once and the state is at rest.
    const all = messages.map((message) => JSON.parse(message.payload)).filter((write) => write.client === session.settings.clientId)
    assert.strictEqual(all.length, steps.length)
    assert.deepStrictEqual(program.problems, [])
  })
}
