// libs/websocket.js over connectSocket as wx, uni and Taro have it.

import assert from 'node:assert'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { inTime, root, until } from './place.mjs'
import { MiniProgram } from './wx.mjs'

// server returns the address of one that tells what it gets and echoes it.
async function server(t, options) {
  const s = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options })
  t.after(() => {
    s.clients.forEach((client) => client.terminate())
    s.close()
  })
  await new Promise((resolve) => s.on('listening', resolve))
  s.closed = []
  s.on('connection', (client) => {
    client.on('message', (data, binary) => client.send(data, { binary }))
    client.on('close', (code, reason) => s.closed.push([code, String(reason)]))
  })
  return Object.assign(s, { url: `ws://127.0.0.1:${s.address().port}/` })
}

// world returns the class in an app, and the app.
function world(t, change) {
  const program = new MiniProgram({ root })
  t.after(() => program.kill())
  const { create } = program.require(join(root, 'libs/websocket.js'))
  const wx = program._context.wx
  return { program, WebSocket: create({ connectSocket: change ? change(wx.connectSocket) : wx.connectSocket }), types: program.require(join(root, 'libs/globals.js')) }
}

const event = (socket, type) => inTime(new Promise((resolve) => socket.addEventListener(type, resolve, { once: true })), type)

const platforms = {
  wx: (connect) => connect,
  // uni returns a promise instead of a task if there is no callback.
  uni: (connect) => (options) => (options.success || options.fail || options.complete ? connect(options) : Promise.reject(new Error('no task'))),
  Taro: (connect) => (options) => Promise.resolve(connect(options))
}

describe('WebSocket over connectSocket', { concurrency: 6 }, () => {
  for (const name in platforms) {
    test(`${name}: text and binary, both ways`, async (t) => {
      const s = await server(t)
      const { program, WebSocket, types } = world(t, platforms[name])
      const socket = new WebSocket(s.url, ['mqtt'])
      assert.strictEqual(socket.readyState, WebSocket.CONNECTING)
      assert.throws(() => socket.send('x'), { name: 'InvalidStateError' })
      await event(socket, 'open')
      assert.deepStrictEqual([socket.readyState, socket.protocol, socket.binaryType, socket.url], [socket.OPEN, 'mqtt', 'arraybuffer', s.url])
      const got = []
      socket.onmessage = ({ data }) => got.push(typeof data === 'string' ? data : [...new Uint8Array(data)])

      const buffer = types.Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7])
      socket.send('grün 温')
      assert.strictEqual(socket.bufferedAmount, 9)
      socket.send(buffer.subarray(2, 5)) // not the whole buffer
      socket.send(buffer.buffer)
      socket.send(new types.DataView(buffer.buffer, 6))
      socket.send(buffer.subarray(3, 3))
      buffer.fill(9) // it has been sent as it was
      await until(() => got.length === 5, 'all are back')
      assert.deepStrictEqual(got, ['grün 温', [2, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7], [6, 7], []])
      await until(() => socket.bufferedAmount === 0, 'nothing waits')
      for (const wrong of [undefined, null, 7, [1, 2], {}]) assert.throws(() => socket.send(wrong), { name: 'TypeError' })

      const closed = event(socket, 'close')
      socket.close(3001, 'enough')
      assert.strictEqual(socket.readyState, socket.CLOSING)
      socket.send('too late') // the standard: dropped without an error
      const { code, wasClean } = await closed
      assert.deepStrictEqual([code, wasClean, socket.readyState], [3001, true, socket.CLOSED])
      await until(() => s.closed.length === 1, 'the server sees it')
      assert.deepStrictEqual(s.closed, [[3001, 'enough']])
      socket.close() // again: nothing
      assert.deepStrictEqual(program.problems, [])
    })

    test(`${name}: a server that is not there`, async (t) => {
      const { WebSocket } = world(t, platforms[name])
      const socket = new WebSocket('ws://127.0.0.1:1/')
      const events = []
      socket.onerror = (e) => events.push(e.type, typeof e.message, typeof e.data)
      const { code, wasClean } = await event(socket, 'close')
      assert.deepStrictEqual(events, ['error', 'string', 'string'])
      assert.deepStrictEqual([code, wasClean, socket.readyState], [1006, false, 3])
    })

    test(`${name}: a connection that is cut`, async (t) => {
      const s = await server(t)
      const { program, WebSocket } = world(t, platforms[name])
      const socket = new WebSocket(s.url)
      await event(socket, 'open')
      const closed = event(socket, 'close')
      program.cutNetwork()
      assert.strictEqual((await closed).code, 1006)
    })

    test(`${name}: a connection that the server closes`, async (t) => {
      const s = await server(t)
      const { WebSocket } = world(t, platforms[name])
      const socket = new WebSocket(s.url)
      await event(socket, 'open')
      const closed = event(socket, 'close')
      s.clients.forEach((client) => client.close(4001, 'go away'))
      const { code, reason } = await closed
      assert.deepStrictEqual([code, reason], [4001, 'go away'])
    })
  }

  test('what the standard refuses', (t) => {
    const { WebSocket } = world(t)
    for (const url of ['http://host/', 'ws:/host', 'wss://', 'wss://host/#x', 'wss://a b/']) assert.throws(() => new WebSocket(url), { name: 'SyntaxError' }, url)
    for (const protocols of [['mqtt', 'mqtt'], 'a b', ['']]) assert.throws(() => new WebSocket('wss://host/', protocols), { name: 'SyntaxError' })
    const socket = new WebSocket('ws://127.0.0.1:1/')
    for (const code of [0, 999, 1001, 1006, 2999, 5000]) assert.throws(() => socket.close(code), { name: 'InvalidAccessError' })
    assert.throws(() => socket.close(1000, 'x'.repeat(124)), { name: 'SyntaxError' })
    assert.deepStrictEqual([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED], [0, 1, 2, 3])
  })

  test('the server chooses the subprotocol', async (t) => {
    const s = await server(t, { handleProtocols: () => 'mqttv3.1' })
    const { WebSocket } = world(t)
    const socket = new WebSocket(s.url, ['mqtt', 'mqttv3.1'])
    await event(socket, 'open')
    assert.strictEqual(socket.protocol, 'mqttv3.1')
  })

  test('close before it is open', async (t) => {
    const s = await server(t)
    const { program, WebSocket } = world(t)
    const socket = new WebSocket(s.url)
    const opened = []
    socket.onopen = () => opened.push(1)
    socket.close()
    assert.strictEqual((await event(socket, 'close')).code, 1006)
    await until(() => program.sockets.size === 0, 'the platform has none left')
    assert.deepStrictEqual([opened, program.problems], [[], []])
  })

  test('a socket that everybody has forgotten closes when it opens', async (t) => {
    const s = await server(t)
    const { program, WebSocket } = world(t)
    const socket = new WebSocket(s.url)
    socket.onopen = () => {}
    socket.onopen = null
    await until(() => s.closed.length === 1, 'the server sees it go')
    await until(() => program.sockets.size === 0, 'the platform has none left')
  })

  test('a sixth socket is an error, and there is room again when one is closed', async (t) => {
    const s = await server(t)
    const { program, WebSocket } = world(t)
    const five = Array.from({ length: 5 }, () => new WebSocket(s.url))
    await Promise.all(five.map((socket) => event(socket, 'open')))
    const sixth = new WebSocket(s.url)
    assert.match((await event(sixth, 'error')).message, /at most 5 sockets/)
    assert.strictEqual(program.sockets.size, 5)
    five[0].close()
    await event(five[0], 'close')
    await event(new WebSocket(s.url), 'open')
  })

  test('sockets that others have opened count, too', async (t) => {
    const s = await server(t)
    const { program, WebSocket } = world(t)
    for (let i = 0; i < 5; i++) program._context.wx.connectSocket({ url: s.url })
    assert.match((await event(new WebSocket(s.url), 'error')).message, /exceed max task count/)
  })

  test('listeners: once, removed, objects, and no more after the end', async (t) => {
    const s = await server(t)
    const { WebSocket } = world(t)
    const socket = new WebSocket(s.url)
    const got = []
    const twice = () => got.push('twice')
    const gone = () => got.push('gone')
    socket.addEventListener('message', () => got.push('once'), { once: true })
    socket.addEventListener('message', twice)
    socket.addEventListener('message', twice) // the same one again: still one
    socket.addEventListener('message', gone)
    socket.removeEventListener('message', gone)
    socket.addEventListener('message', { handleEvent: (e) => got.push(e.data) })
    await event(socket, 'open')
    socket.send('a')
    await until(() => got.length === 3, 'the first')
    socket.send('b')
    await until(() => got.length === 5, 'the second')
    assert.deepStrictEqual(got, ['once', 'twice', 'a', 'twice', 'b'])
    socket.send('c')
    socket.close()
    await event(socket, 'close')
    assert.strictEqual(got.length, 5)
  })

  // A platform that says nothing after close(), as some versions do.
  test('a close that nobody confirms ends', async (t) => {
    const { WebSocket } = world(t, () => () => ({ onOpen: (f) => setTimeout(f, 0), onMessage() {}, onError() {}, onClose() {}, send() {}, close() {} }))
    const socket = new WebSocket('wss://host/')
    await event(socket, 'open')
    socket.close()
    assert.strictEqual((await event(socket, 'close')).code, 1006)
  })
})
