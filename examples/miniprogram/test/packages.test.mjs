// The official packages, as they were published, in the runtime of a mini-program.

import assert from 'node:assert'
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { official, packages, prologue } from '../build.mjs'
import { libraries, inTime, phone, place, root, until } from './place.mjs'
import { MiniProgram } from './wx.mjs'

let names = 0
const name = () => `packages-${process.pid}-${Date.now()}-${++names}` // of a client or a topic, new each time

const every = Array.from({ length: 256 }, (_, i) => i)
const text = 'Wärme 温度 🌡 \u0000 23.4'

// app returns a program without pages, and its links.
function app(t) {
  const program = new MiniProgram({ root, phone: phone({}) })
  t.after(() => program.kill())
  const { open } = program.require(join(root, 'libs/link.js'))
  const connect = (library, options) => new Promise((resolve, reject) => {
    const messages = []
    const link = open(library, {
      url: place.websocket,
      clientId: name(),
      keepalive: 25,
      timeout: 10000,
      onOpen: () => resolve({ link, messages }),
      onMessage: (topic, payload) => messages.push({ topic, payload: Buffer.from(payload) }),
      onEnd: (reason) => reject(new Error(reason)),
      ...options
    })
  })
  const subscribe = (link, topic) => new Promise((resolve, reject) => link.subscribe(topic, 2, (error) => (error ? reject(error) : resolve())))
  // binary returns bytes of the app's world, as a part of a larger buffer.
  const binary = (bytes) => program.require(join(root, 'libs/globals.js')).Uint8Array.from([1, 2, 3, ...bytes, 4, 5]).subarray(3, 3 + bytes.length)
  return { program, connect, subscribe, binary }
}

describe('the official packages', { concurrency: 6 }, () => {
  for (const library of libraries) {
    test(`${library}: text and binary arrive as they were sent, at each QoS`, async (t) => {
      const { program, connect, subscribe, binary } = app(t)
      const { link, messages } = await inTime(connect(library), 'a connection')
      const topic = 'test/' + name()
      await inTime(subscribe(link, topic), 'a subscription')
      const sent = []
      for (const qos of [0, 1, 2]) {
        for (const payload of [text, binary(every), binary([]), binary([0x01, 0x04, 0x00, 0x01, 0x00, 0x02, 0x20, 0x0b]), binary(Array.from({ length: 70000 }, (_, i) => i % 251))]) {
          link.publish(topic, payload, qos)
          sent.push(Buffer.from(payload).toString('hex'))
          await until(() => messages.length === sent.length, `message ${sent.length} arrives`)
        }
      }
      assert.deepStrictEqual(messages.map((message) => message.payload.toString('hex')), sent)
      assert.deepStrictEqual(program.problems, [])
      link.close()
      await until(() => program.sockets.size === 0, 'the socket is closed')
    })

    for (const other of libraries) {
      test(`two clients in one app: ${library} and ${other}`, async (t) => {
        const { program, connect, subscribe, binary } = app(t)
        const one = await inTime(connect(library), 'a connection')
        const two = await inTime(connect(other), 'another connection')
        const topics = ['test/' + name(), 'test/' + name()]
        await inTime(Promise.all([subscribe(one.link, topics[0]), subscribe(two.link, topics[1])]), 'subscriptions')
        for (let i = 0; i < 10; i++) {
          one.link.publish(topics[1], binary([1, i]), i % 3)
          two.link.publish(topics[0], binary([2, i]), i % 3)
          await until(() => one.messages.length > i && two.messages.length > i, 'both arrive')
        }
        assert.deepStrictEqual(one.messages.map((message) => [...message.payload]), every.slice(0, 10).map((i) => [2, i]))
        assert.deepStrictEqual(two.messages.map((message) => [...message.payload]), every.slice(0, 10).map((i) => [1, i]))
        one.link.close() // the other one stays
        await until(() => program.sockets.size === 1, 'one socket is closed')
        two.link.publish(topics[1], 'still here', 2)
        await until(() => two.messages.length === 11, 'a message to oneself arrives')
        assert.deepStrictEqual(program.problems, [])
      })
    }

    test(`${library}: a sixth client is told that there are too many`, async (t) => {
      const { program, connect } = app(t)
      const links = []
      for (let i = 0; i < 5; i++) links.push(await inTime(connect(library), 'a connection'))
      let reason
      connect(library, { onEnd: (why) => { reason = why } }).catch(() => {})
      await until(() => reason !== undefined, 'the sixth ends')
      if (library === 'paho-mqtt') assert.match(reason, /at most 5 sockets/)
      links[0].link.close()
      await until(() => program.sockets.size === 4, 'a socket is closed')
      await inTime(connect(library), 'a connection where there is room again')
    })
  }

  test('the packages are what was published, with one line before', () => {
    for (const name in packages) {
      const built = readFileSync(join(root, 'miniprogram_npm', name, 'index.js'), 'utf8')
      const published = official(name)
      assert.ok(built.startsWith(prologue))
      if (name === 'mqtt-5') {
        assert.strictEqual(built.slice(prologue.length).replace('module.exports = MI();', 'export default MI();'), published)
      } else {
        assert.strictEqual(built.slice(prologue.length), published)
      }
    }
  })

  // What the line before is good for, and that the model would notice without it.
  test('without that line the packages do not work', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'miniprogram-'))
    t.after(() => rmSync(folder, { recursive: true }))
    for (const name of ['paho-mqtt', 'mqtt']) {
      mkdirSync(join(folder, 'miniprogram_npm', name), { recursive: true })
      writeFileSync(join(folder, 'miniprogram_npm', name, 'index.js'), official(name))
    }
    const program = new MiniProgram({ root: folder })
    t.after(() => program.kill())
    const Paho = program.require(join(folder, 'miniprogram_npm/paho-mqtt/index.js'))
    assert.throws(() => new Paho.Client(place.websocket, 'x'), /AMQJS0010E.*WebSocket/)
    const mqtt = program.require(join(folder, 'miniprogram_npm/mqtt/index.js'))
    const client = mqtt.connect(place.websocket.replace('ws:', 'wx:'), program.inside({ clientId: name() }))
    writeFileSync(join(folder, 'bytes.js'), 'module.exports = Uint8Array.from([1, 2, 255])')
    let published
    client.on('connect', () => {
      published = true
      client.publish('test/raw', program.require(join(folder, 'bytes.js')))
    })
    await until(() => published && program.sockets.size === 0, 'the connection breaks, without an event')
    client.end(true)
  })
})
