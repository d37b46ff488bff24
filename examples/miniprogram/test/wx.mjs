// A model of the runtime of WeChat mini-programs: what an app's modules see and what they do not, the part
// of the wx API that this app uses, pages, the background. It is stricter than a phone where phones differ.
//
//   - Modules see the language and wx. The names of a browser are parameters of the function around each
//     module, without a value, so that bare WebSocket or localStorage are undefined whatever an app does;
//     `global` is an object of its own, without the language's types. There is no eval.
//   - Sockets carry text and ArrayBuffers, nothing else, and there are at most five.
//   - Some time after an app has gone to the background its sockets are cut and its code stands still.

import vm from 'node:vm'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isAnyArrayBuffer } from 'node:util/types'
import WebSocket from 'ws'
import { OpenPage } from './page.mjs'

const HIDDEN = ['window', 'document', 'frames', 'self', 'location', 'navigator', 'localStorage', 'history', 'Caches', 'screen',
  'alert', 'confirm', 'prompt', 'fetch', 'XMLHttpRequest', 'WebSocket', 'webkit', 'WeixinJSCore', 'Reporter']
const MOST_SOCKETS = 5

// Phone is what outlives an app: its storage, and the network.
export class Phone {
  constructor() {
    this.storage = new Map()
    this.network = { isConnected: true, networkType: 'wifi' }
  }
}

export class MiniProgram {
  // options: root folder; phone; cut, ms from the background to the cut.
  constructor(options) {
    Object.assign(this, { phone: new Phone(), cut: 40 }, options)
    this.problems = [] // what would have been an error on the console of a phone
    this.sockets = new Set()
    this.pages = []
    this._modules = new Map()
    this._timers = new Set()
    this._frozen = null // calls that wait, in the background
    this._networkListeners = []
    this._context = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } })
    this._furnish()
  }

  // inside copies a value of ours into the app's world.
  inside(value) {
    return value === undefined ? undefined : this._fromJSON(JSON.stringify(value))
  }

  _furnish() {
    const run = (text) => vm.runInContext(text, this._context)
    run('delete globalThis.WebAssembly; delete globalThis.SharedArrayBuffer; delete globalThis.Atomics; delete globalThis.console')
    this._fromJSON = run('JSON.parse')
    this._newBuffer = run('(n) => new ArrayBuffer(n)')
    const late = (set, clear, name) => ({
      [set]: (task, ms, ...args) => {
        const timer = { real: globalThis[set](() => { if (name === 'Timeout') this._timers.delete(timer); this.enter(() => task(...args)) }, ms) }
        this._timers.add(timer)
        return timer
      },
      [clear]: (timer) => {
        if (!timer) return
        globalThis[clear](timer.real)
        timer.gone = true
        this._timers.delete(timer)
      }
    })
    Object.assign(this._context, {
      global: run('({})'),
      wx: this._wx(),
      App: (app) => { this.app = app },
      Page: (page) => { this._page = page },
      getApp: () => this.app,
      getCurrentPages: () => this.pages.map((page) => page.instance),
      console: Object.fromEntries(['log', 'info', 'warn', 'error', 'debug'].map((level) => [level, (...args) => this.problems.push([level, ...args].join(' '))])),
      ...late('setTimeout', 'clearTimeout', 'Timeout'),
      ...late('setInterval', 'clearInterval', 'Interval')
    })
    run('delete globalThis.globalThis')
  }

  // enter runs code of the app, later if the app stands still.
  enter(task) {
    if (this._over) return
    if (this._frozen) return void this._frozen.push(task)
    try {
      task()
    } catch (error) {
      this.problems.push(error && error.stack)
    }
  }

  // ---- modules

  require(path) {
    if (this._modules.has(path)) return this._modules.get(path).exports
    const module = { exports: this.inside({}) }
    this._modules.set(path, module)
    const text = '(function (require, module, exports, ' + HIDDEN.join(', ') + ') {"use strict";' + readFileSync(path, 'utf8') + '\n})'
    const run = vm.runInContext(text, this._context, { filename: path })
    try {
      run.call(undefined, (name) => this.require(this._find(path, name)), module, module.exports)
    } catch (error) {
      this._modules.delete(path)
      throw error
    }
    return module.exports
  }

  // _find looks for a relative path, or for a package in the miniprogram_npm of this folder and those above.
  _find(from, name) {
    if (typeof name !== 'string') throw new Error('require() takes a literal text')
    const file = (path) => [path, path + '.js', join(path, 'index.js')].find((each) => existsSync(each) && statSync(each).isFile())
    const root = resolve(this.root)
    if (/^\.{0,2}\//.test(name)) {
      const path = file(name[0] === '/' ? join(root, name) : resolve(dirname(from), name))
      if (path && path.startsWith(root + '/')) return path
    } else {
      for (let folder = dirname(from); folder.startsWith(root); folder = dirname(folder)) {
        const path = file(join(folder, 'miniprogram_npm', name))
        if (path) return path
      }
    }
    throw new Error(`module '${name}' is not defined, require args is '${name}'`)
  }

  // ---- life

  // launch starts the app as a tap on its icon does.
  launch() {
    this.config = JSON.parse(readFileSync(join(this.root, 'app.json'), 'utf8'))
    this.require(resolve(this.root, 'app.js'))
    this._call(this.app, 'onLaunch')
    this._call(this.app, 'onShow')
    this._open(this.config.pages[0])
    return this
  }

  // hide is the home button.
  hide() {
    this._call(this.page.instance, 'onHide')
    this._call(this.app, 'onHide')
    return new Promise((resolve) => {
      this._cutting = setTimeout(() => {
        this._frozen = []
        this.cutNetwork()
        resolve()
      }, this.cut)
    })
  }

  show() {
    clearTimeout(this._cutting)
    const waiting = this._frozen || []
    this._frozen = null
    this._call(this.app, 'onShow')
    this._call(this.page.instance, 'onShow')
    waiting.forEach((task) => this.enter(task))
  }

  // cutNetwork ends all sockets without a word to the other side.
  cutNetwork() {
    for (const socket of this.sockets) socket.terminate()
  }

  changeNetwork(network) {
    this.phone.network = network
    this._networkListeners.forEach((listener) => this.enter(() => listener(this.inside(network))))
  }

  // kill ends the app as the system does when it needs memory: no event, only storage stays.
  kill() {
    this._over = true
    this._timers.forEach((timer) => clearTimeout(timer.real))
    clearTimeout(this._cutting)
    this.cutNetwork()
  }

  _call(target, name, ...args) {
    if (target && typeof target[name] === 'function') this.enter(() => target[name](...args))
  }

  // ---- pages

  get page() { return this.pages[this.pages.length - 1] }

  _open(route) {
    const path = route.replace(/^\//, '')
    if (!this.config.pages.includes(path)) throw new Error(`app.json has no page ${path}`)
    if (this.page) this._call(this.page.instance, 'onHide')
    this._modules.delete(resolve(this.root, path + '.js'))
    this.require(resolve(this.root, path + '.js'))
    const page = new OpenPage(this, path, this._page)
    this.pages.push(page)
    this._call(page.instance, 'onLoad', this.inside({}))
    this._call(page.instance, 'onShow')
    this._call(page.instance, 'onReady')
  }

  _back() {
    this._call(this.pages.pop().instance, 'onUnload')
    this._call(this.page.instance, 'onShow')
  }

  // ---- wx

  _wx() {
    const storage = this.phone.storage
    return {
      connectSocket: (options) => this._connectSocket(options),
      getStorageSync: (key) => (storage.has(key) ? this._fromJSON(storage.get(key)) : ''),
      setStorageSync: (key, value) => {
        if (typeof key !== 'string' || value === undefined) throw new Error('setStorageSync:fail parameter error')
        storage.set(key, JSON.stringify(value))
      },
      removeStorageSync: (key) => { storage.delete(key) },
      getStorageInfoSync: () => this.inside({ keys: [...storage.keys()], currentSize: 1, limitSize: 10240 }),
      onNetworkStatusChange: (listener) => { this._networkListeners.push(listener) },
      navigateTo: ({ url }) => this._open(url),
      navigateBack: () => this._back(),
      getWindowInfo: () => this.inside({ pixelRatio: 2, windowWidth: 375 }),
      createSelectorQuery: () => this._query()
    }
  }

  _query() {
    let id = ''
    const query = {
      select: (selector) => { id = selector.slice(1); return query },
      fields: () => query,
      exec: (done) => {
        const page = this.page
        const node = page.find(id)
        const found = node && node.tag === 'canvas' && node.attributes.type === '2d' ? { node: page.canvas, width: 343, height: 160 } : null
        setImmediate(() => this.enter(() => done([found])))
      }
    }
    return query
  }

  // answer calls the callbacks of a wx function, later, as the real ones do.
  _answer(options, failure) {
    setImmediate(() => this.enter(() => {
      const result = this.inside({ errMsg: failure || 'ok' })
      const done = failure ? options.fail : options.success
      if (done) done(result)
      if (options.complete) options.complete(result)
    }))
  }

  _connectSocket(options) {
    if (this.sockets.size >= MOST_SOCKETS) return void this._answer(options, 'connectSocket:fail exceed max task count')
    if (!/^wss?:\/\//.test(options.url)) return void this._answer(options, 'connectSocket:fail invalid url')
    const socket = new WebSocket(options.url, options.protocols ? [...options.protocols] : [], { perMessageDeflate: false, handshakeTimeout: options.timeout || 60000 })
    socket.binaryType = 'arraybuffer'
    this.sockets.add(socket)
    this._answer(options)
    const on = { open: [], message: [], close: [], error: [] }
    const tell = (type, result) => on[type].forEach((listener) => this.enter(() => listener(result())))
    socket.on('open', () => tell('open', () => this.inside({ header: { 'Sec-WebSocket-Protocol': socket.protocol } })))
    socket.on('message', (data, binary) => tell('message', () => ({ data: binary ? this._buffer(data) : Buffer.from(data).toString() })))
    socket.on('error', (error) => tell('error', () => this.inside({ errMsg: error.message })))
    socket.on('close', (code, reason) => {
      this.sockets.delete(socket)
      tell('close', () => this.inside({ code, reason: String(reason) }))
    })
    return {
      onOpen: (listener) => on.open.push(listener),
      onMessage: (listener) => on.message.push(listener),
      onError: (listener) => on.error.push(listener),
      onClose: (listener) => on.close.push(listener),
      send: (message) => this._send(socket, message),
      close: (how) => {
        if (socket.readyState > WebSocket.OPEN) return this._answer(how, 'closeSocket:fail socket is closed')
        socket.close(how.code, how.reason)
        this._answer(how)
      }
    }
  }

  _buffer(data) {
    const buffer = this._newBuffer(data.byteLength)
    new Uint8Array(buffer).set(new Uint8Array(data))
    return buffer
  }

  _send(socket, message) {
    if (typeof message.data !== 'string' && !isAnyArrayBuffer(message.data)) {
      this.problems.push('sendSocketMessage: data must be a text or an ArrayBuffer')
      return this._answer(message, 'sendSocketMessage:fail data type')
    }
    if (socket.readyState !== WebSocket.OPEN) return this._answer(message, 'sendSocketMessage:fail SocketTask.readyState is not OPEN')
    socket.send(typeof message.data === 'string' ? message.data : Buffer.from(new Uint8Array(message.data)))
    this._answer(message)
  }
}
