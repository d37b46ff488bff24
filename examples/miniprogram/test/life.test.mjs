// What happens to an app on a phone: background, other networks, restarts, settings.

import assert from 'node:assert'
import { describe, test } from 'node:test'
import { libraries, observer, phone, place, start, until } from './place.mjs'
import { Network } from './network.mjs'

const online = (program) => until(() => program.page.text('connection') === 'Connected', () => program.page.text() + program.problems.join('\n'))

async function network(t) {
  const n = await new Network(place.websocket).ready
  t.after(() => n.close())
  return n
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

describe('an app on a phone', { concurrency: 6 }, () => {
  for (const library of libraries) {
    test(`${library}: how it connects`, async (t) => {
      const n = await network(t)
      const program = start(t, { phone: phone({ library, url: n.url }) })
      await online(program)
      await until(() => program.page.text('quality').startsWith('good'), 'a reading')
      const { settings } = program.app.session
      const { from, type, ...connect } = n.packets[0]
      assert.deepStrictEqual(connect, { level: 4, clean: false, will: false, password: false, username: false, keepalive: 25, clientId: settings.clientId })
      program.page.tap('send')
      await until(() => program.page.text('reply'), 'a reply')
      const base = `modferry/${place.gateway}/bus/${place.bus}`
      const published = n.packets.filter((packet) => packet.type === 'PUBLISH' && packet.from === 'app')
      assert.deepStrictEqual(published.map(({ topic, qos, retained }) => [topic, qos, retained]), [[`${base}/request/${settings.clientId}`, 2, false]])
      assert.ok(n.packets.some((packet) => packet.topic === `${base}/response/${settings.clientId}` && packet.from === 'broker'))
    })

    test(`${library}: in the background and back, with a request under way`, async (t) => {
      const n = await network(t)
      const { messages } = await observer(t, ['audit'])
      const program = start(t, { phone: phone({ library, url: n.url }) })
      await online(program)
      program.page.pick('form', 2)
      program.page.input('frame', '01 06 01 04 00 07')
      program.page.tap('send')
      await program.hide() // and the time until the platform cuts
      await until(() => program.sockets.size === 0, 'the sockets are gone')
      program.show()
      await online(program)
      await until(() => program.page.text('replied'), 'a reply')
      assert.strictEqual(program.page.text('reply'), '01 06 01 04 00 07 88 35')
      await until(() => program.page.text('quality').startsWith('good'), 'a reading')
      await until(() => messages.length > 0, 'the audit tells')
      assert.deepStrictEqual(messages.map((message) => JSON.parse(message.payload)).filter((write) => write.client === program.app.session.settings.clientId).map((write) => write.outcome), ['done'])
      assert.deepStrictEqual(program.problems, [])
    })

    test(`${library}: there and back many times makes one connection, not many`, async (t) => {
      const n = await network(t)
      const program = start(t, { phone: phone({ library, url: n.url }), cut: 60000 })
      for (let i = 0; i < 10; i++) {
        program.hide()
        program.show()
        program.changeNetwork({ isConnected: true, networkType: i % 2 ? 'wifi' : '4g' })
        program.changeNetwork({ isConnected: false, networkType: 'none' })
        program.changeNetwork({ isConnected: true, networkType: '4g' })
        await pause(i * 3)
      }
      await online(program)
      await pause(1200) // longer than the first wait: a second loop would show
      await online(program)
      assert.strictEqual(n.live, 1)
      assert.ok(program.sockets.size === 1 && n.most <= 2, `${n.most} connections at a time`)
      program.hide()
      await until(() => program.sockets.size === 0, 'the app disconnects by itself, long before the cut')
      assert.deepStrictEqual(program.problems, [])
    })

    test(`${library}: without a broker it waits, tries again, and hides and shows without an error`, async (t) => {
      const n = await network(t)
      n.down()
      const program = start(t, { phone: phone({ library, url: n.url }) })
      await until(() => program.page.text('connection') === 'No connection', () => program.page.text())
      assert.throws(() => program.page.tap('send'), /disabled/)
      await program.hide()
      program.show()
      await until(() => program.page.text('connection') === 'No connection', () => program.page.text())
      n.up()
      program.changeNetwork({ isConnected: true, networkType: 'wifi' })
      await online(program)
      n.down()
      await until(() => program.page.text('connection') !== 'Connected', 'it is noticed')
      n.up()
      await online(program) // by itself
      const lines = n.lines
      await pause(1500) // a package that connects again, too, would throw the app out
      assert.deepStrictEqual([n.live, n.lines], [1, lines])
      await online(program)
      assert.deepStrictEqual(program.problems, [])
    })
  }

  test('the value of a lost connection is old, and says so', async (t) => {
    const n = await network(t)
    const program = start(t, { phone: phone({ url: n.url }) })
    await until(() => program.page.text('quality').startsWith('good'), 'a reading')
    n.down()
    await until(() => /^stale, connection offline, \d+ s ago$/.test(program.page.text('quality')), () => program.page.text())
    assert.match(program.page.text('temperature'), /°C$/)
  })

  test('a client id for each installation, kept', async (t) => {
    const mine = phone({})
    const id = (program) => {
      program.page.tap('settings')
      return program.page.text('clientId')
    }
    const first = id(start(t, { phone: mine }))
    assert.match(first, /^wx-[0-9a-f]{16}$/)
    assert.strictEqual(id(start(t, { phone: mine })), first)
    assert.notStrictEqual(id(start(t, { phone: phone({}) })), first)
  })

  test('settings: what is wrong is told, what is right is kept and used', async (t) => {
    const n = await network(t)
    const mine = phone({ url: 'ws://127.0.0.1:1/mqtt' })
    const program = start(t, { phone: mine })
    await until(() => program.page.text('connection') === 'No connection', () => program.page.text())
    program.page.tap('settings')
    for (const [id, wrong, message] of [
      ['url', 'broker.example', /wss:\/\/host\/mqtt/], ['url', 'https://host/mqtt', /wss:\/\/host\/mqtt/], ['url', 'wss://host', /wss:\/\/host\/mqtt/],
      ['url', 'ws://broker.example/mqtt', /wss:\/\/ only/],
      ['gateway', 'a/b', /gateway/], ['bus', '+', /bus/], ['device', '', /device/], ['password', 'x', /needs a user name/]
    ]) {
      const right = program.page.instance.data.settings[id]
      program.page.input(id, wrong)
      assert.match(program.page.text(), message)
      assert.throws(() => program.page.tap('save'), /disabled/)
      program.page.input(id, right)
    }
    program.page.input('url', ' ' + n.url + ' ')
    program.page.pick('library', 1)
    program.page.tap('save')
    await online(program)
    assert.strictEqual(n.lines, 1)
    const again = start(t, { phone: mine })
    again.page.tap('settings')
    assert.strictEqual(again.page.find('url').attributes.value, n.url)
    assert.match(again.page.text(), /mqtt 4\.1\.0/)
    assert.deepStrictEqual(program.problems, [])
  })

  test('frames: typed with mistakes they are not sent, and what the device refuses is explained', async (t) => {
    const program = start(t, {})
    await online(program)
    for (const [typed, message] of [
      ['01 04 00 01 00 02 20 0C', /wrong CRC/], ['01 04 0', /not a byte|missing|whole number/], ['xx', /not a hex digit/], ['', /type a request/], ['/1 04', /not a hex digit/]
    ]) {
      program.page.input('frame', typed)
      assert.match(program.page.text('check'), message)
      assert.throws(() => program.page.tap('send'), /disabled/)
    }
    program.page.input('frame', '010400010002') // the CRC is added
    program.page.tap('send')
    await until(() => program.page.text('reply').startsWith('01 04 04'), () => program.page.text())
    for (const form of [0, 1, 2]) {
      program.page.pick('form', form)
      program.page.input('frame', '01 06 00 00 00 01') // the rules do not allow this address
      program.page.tap('send')
      await until(() => program.page.text('failure'), () => program.page.text())
      assert.match(program.page.text('reply') || program.page.text('failure'), /^01 86 02|no rule of this bus allows/)
      assert.match(program.page.text('replied'), /^refused, \d+ ms$/)
    }
    program.page.pick('form', 1)
    program.page.input('frame', '09 04 00 01 00 02') // nobody there
    program.page.tap('send')
    await until(() => program.page.text('failure'), () => program.page.text())
    assert.match(program.page.text('reply'), /^09 84 0B/)
    assert.match(program.page.text(), /exception 11.*no device answered/)
    assert.deepStrictEqual(program.problems, [])
  })
})
