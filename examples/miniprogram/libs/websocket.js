// The standard's class WebSocket, over the connectSocket of a mini-program: wx, uni or Taro.
// MQTT packages that were written for browsers use it as they are.
//
//   const WebSocket = require('./websocket.js').create({ connectSocket: wx.connectSocket })
//
// Binary messages are ArrayBuffers; there is no Blob in a mini-program.

const CONNECTING = 0
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

const MOST = 5 // sockets at a time in one mini-program; WeChat opens no sixth
const GONE = 1006 // closed without a close frame
const CLOSE_TIMEOUT = 3000 // ms until a socket whose platform says nothing after close() counts as closed

function failure(name, message) {
  const error = new Error(message)
  error.name = name
  return error
}

// utf8Length is how many bytes text has on the wire.
function utf8Length(text) {
  return encodeURI(text.replace(/[\ud800-\udfff]/g, '??')).replace(/%../g, '.').length
}

// exact returns what is to be sent in a buffer of its own: a view often shows a part of a larger
// buffer, and connectSocket would send all of it.
function exact(data) {
  if (typeof data === 'string') return data
  if (ArrayBuffer.isView(data)) return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
  if (Object.prototype.toString.call(data) === '[object ArrayBuffer]') return data.slice(0)
  throw new TypeError('a WebSocket of a mini-program sends text, ArrayBuffers and views of them, not ' + typeof data)
}

// subprotocol is what the server chose, as far as the platform tells.
function subprotocol(result, asked) {
  const header = (result && result.header) || {}
  const name = Object.keys(header).filter((key) => key.toLowerCase() === 'sec-websocket-protocol')[0]
  if (name) return String(header[name])
  return asked.length === 1 ? asked[0] : ''
}

function checkAddress(url, protocols) {
  if (!/^wss?:\/\/[^/\s#]+[^\s#]*$/.test(url)) {
    throw failure('SyntaxError', 'the address of a WebSocket is wss://host/path, not ' + url)
  }
  protocols.forEach((name, i) => {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || protocols.indexOf(name) !== i) {
      throw failure('SyntaxError', 'not a subprotocol, or twice: ' + name)
    }
  })
}

function checkClose(code, reason) {
  if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
    throw failure('InvalidAccessError', 'an app closes with code 1000 or 3000 to 4999, not ' + code)
  }
  if (reason !== undefined && utf8Length(String(reason)) > 123) {
    throw failure('SyntaxError', 'a reason for closing has at most 123 bytes')
  }
}

// Events is addEventListener and on<type>.
class Events {
  constructor() {
    this.onopen = this.onmessage = this.onclose = this.onerror = null
    this._listeners = { open: [], message: [], close: [], error: [] }
  }

  addEventListener(type, listener, options) {
    const all = this._listeners[type]
    if (!all || !listener || all.some((known) => known.listener === listener)) return
    all.push({ listener, once: !!(options && options.once) })
  }

  removeEventListener(type, listener) {
    if (this._listeners[type]) this._listeners[type] = this._listeners[type].filter((known) => known.listener !== listener)
  }

  _emit(type, more) {
    const event = Object.assign({ type, target: this, currentTarget: this }, more)
    if (typeof this['on' + type] === 'function') this['on' + type](event)
    this._listeners[type].slice().forEach((known) => {
      if (known.once) this.removeEventListener(type, known.listener)
      if (typeof known.listener === 'function') known.listener.call(this, event)
      else known.listener.handleEvent(event)
    })
  }

  // _heard tells whether anybody listens.
  _heard(type) {
    return typeof this['on' + type] === 'function' || this._listeners[type].length > 0
  }
}

// create returns the class. platform.connectSocket is wx.connectSocket, uni.connectSocket or
// Taro.connectSocket; platform.timeout is how many ms a connection may take (10000).
function create(platform) {
  let inUse = 0 // sockets of this class

  class WebSocket extends Events {
    constructor(url, protocols) {
      super()
      const asked = protocols === undefined ? [] : [].concat(protocols).map(String)
      this.url = String(url)
      checkAddress(this.url, asked)
      this.readyState = CONNECTING
      this.protocol = ''
      this.extensions = ''
      this.bufferedAmount = 0
      this._asked = asked
      this._task = null
      this._closing = null // timer
      this._counted = inUse < MOST
      if (!this._counted) {
        setTimeout(() => this._fail('a mini-program has at most ' + MOST + ' sockets at a time: close one first'), 0)
        return
      }
      inUse++
      this._open()
    }

    get binaryType() { return 'arraybuffer' }

    // The standard ignores what it does not know, and so does this: there is no Blob.
    set binaryType(type) {}

    _open() {
      let result
      try {
        result = platform.connectSocket({
          url: this.url,
          protocols: this._asked,
          timeout: platform.timeout || 10000,
          tcpNoDelay: true,
          // uni returns a task only if there is one of success, fail and complete.
          success: () => {},
          fail: (error) => this._fail((error && error.errMsg) || 'connectSocket failed')
        })
      } catch (error) {
        setTimeout(() => this._fail(error.message), 0)
        return
      }
      if (result && typeof result.then === 'function') { // Taro
        result.then((task) => this._attach(task), (error) => this._fail((error && (error.errMsg || error.message)) || 'connectSocket failed'))
      } else if (result) {
        this._attach(result)
      }
    }

    _attach(task) {
      if (this.readyState === CLOSED) return close(task)
      this._task = task
      task.onOpen((result) => this._opened(result))
      task.onMessage((result) => {
        if (this.readyState === OPEN) this._emit('message', { data: result.data, origin: this.url })
      })
      task.onError((error) => this._fail((error && error.errMsg) || 'socket error'))
      task.onClose((result) => this._closed((result && result.code) || GONE, (result && result.reason) || ''))
    }

    _opened(result) {
      if (this.readyState !== CONNECTING) return close(this._task)
      // Paho forgets a socket that took too long, without closing it. It would stay, one of five.
      if (!this._heard('open')) return this.close()
      this.readyState = OPEN
      this.protocol = subprotocol(result, this._asked)
      this._emit('open')
    }

    // _fail ends a socket that does not work: an error event, then a close event.
    _fail(message) {
      if (this.readyState === CLOSED) return
      const closing = this.readyState === CLOSING
      this.readyState = CLOSING
      // MQTT packages read the cause from different places.
      if (!closing) this._emit('error', { message, data: message, error: new Error(message) })
      close(this._task)
      this._closed(GONE, '')
    }

    _closed(code, reason) {
      if (this.readyState === CLOSED) return
      this.readyState = CLOSED
      clearTimeout(this._closing)
      if (this._counted) inUse--
      this._emit('close', { code, reason, wasClean: code !== GONE })
    }

    send(data) {
      if (this.readyState === CONNECTING) throw failure('InvalidStateError', 'the socket is not open yet')
      const message = exact(data)
      const length = typeof message === 'string' ? utf8Length(message) : message.byteLength
      this.bufferedAmount += length
      if (this.readyState !== OPEN) return // the standard: counted, and dropped
      this._task.send({
        data: message,
        success: () => { this.bufferedAmount -= length },
        fail: (error) => this._fail((error && error.errMsg) || 'cannot send')
      })
    }

    close(code, reason) {
      checkClose(code, reason)
      if (this.readyState === CLOSING || this.readyState === CLOSED) return
      const connecting = this.readyState === CONNECTING
      this.readyState = CLOSING
      close(this._task, code, reason, () => this._closed(GONE, ''))
      // Some versions of the platform never say that a socket has closed, least of all one that was not open.
      this._closing = setTimeout(() => this._closed(GONE, ''), connecting ? 0 : CLOSE_TIMEOUT)
    }
  }

  const states = { CONNECTING, OPEN, CLOSING, CLOSED }
  Object.assign(WebSocket, states)
  Object.assign(WebSocket.prototype, states)
  return WebSocket
}

// close closes a task, whatever state it is in.
function close(task, code, reason, failed) {
  if (!task) return
  try {
    task.close({ code: code || 1000, reason: reason || '', fail: failed || (() => {}) })
  } catch (error) {
    if (failed) failed()
  }
}

module.exports = { create }
