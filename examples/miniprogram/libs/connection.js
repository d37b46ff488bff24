// One connection that is kept: it connects, reconnects after a loss, and rests while the app is in the
// background. There is one timer and one link, so that there are never two loops.

const { open } = require('./link.js')

const FIRST_WAIT = 1000 // ms
const LONGEST_WAIT = 30000 // ms
const STABLE = 10000 // ms after which a connection counts as good, and waiting starts again from FIRST_WAIT
const KEEPALIVE = 25 // s
const TIMEOUT = 10000 // ms for a connection

class Connection {
  // handlers: onState(state, reason) with state off, connecting, online or waiting, and
  // onMessage(topic, payload, retained).
  constructor(handlers) {
    this.handlers = handlers
    this.state = 'off'
    this.settings = null // library, url, clientId, username, password
    this._wanted = false
    this._link = null // from open() until its end
    this._closing = false // the link, by us
    this._number = 0 // of the link
    this._timer = null
    this._attempt = 0
    this._since = 0 // when it was online
  }

  // start connects unless it is connected or about to be.
  start(settings) {
    this.settings = settings
    this._wanted = true
    if (this._closing) this._state('connecting') // anew, as soon as the old link has ended
    else if (!this._link && !this._timer) this._open()
  }

  // stop disconnects. What is under way at QoS 1 and 2 goes on after the next start.
  stop() {
    this._wanted = false
    this._attempt = 0
    this._clear()
    this._close()
  }

  // hurry ends a wait: the network is back.
  hurry() {
    if (!this._timer) return
    this._clear()
    this._open()
  }

  // renew connects anew, with these settings: they have changed, or the network has.
  renew(settings) {
    this.settings = settings
    this._attempt = 0
    if (this._link) this._close()
    else this.hurry()
  }

  publish(topic, payload, qos) { this._online().publish(topic, payload, qos) }

  // subscribe is a promise. It is to be done at each connection, although the session keeps
  // subscriptions: a broker that was restarted may have lost them, and what is retained comes again.
  subscribe(topic, qos) {
    return new Promise((resolve, reject) => {
      this._online().subscribe(topic, qos, (error) => (error ? reject(error) : resolve()))
    })
  }

  unsubscribe(topic) { this._online().unsubscribe(topic) }

  _online() {
    if (this.state !== 'online') throw new Error('there is no connection to the broker')
    return this._link
  }

  _open() {
    const number = ++this._number
    const current = (callback) => (...args) => { if (number === this._number) callback(...args) }
    this._state('connecting')
    try {
      this._link = open(this.settings.library, Object.assign({ keepalive: KEEPALIVE, timeout: TIMEOUT }, this.settings, {
        onOpen: current(() => this._opened()),
        onMessage: current(this.handlers.onMessage),
        onEnd: current((reason) => this._ended(reason))
      }))
    } catch (error) { // such as a URL that is none
      this._ended(error.message)
    }
  }

  _opened() {
    if (this._closing) return this._link.close()
    this._since = Date.now()
    this._state('online')
  }

  _ended(reason) {
    if (this.state === 'online' && Date.now() - this._since > STABLE) this._attempt = 0
    this._number++ // nothing more from this link
    this._link = null
    const soon = this._closing
    this._closing = false
    if (!this._wanted) return
    const wait = soon ? 0 : Math.min(LONGEST_WAIT, FIRST_WAIT * Math.pow(2, this._attempt++))
    this._timer = setTimeout(() => {
      this._timer = null
      this._open()
    }, wait / 2 + Math.random() * wait / 2) // not all apps at once when a broker is back
    if (!soon) this._state('waiting', reason)
  }

  // _close ends the link, which may take a while. It is not used any more from now on.
  _close() {
    this._state(this._wanted ? 'connecting' : 'off')
    if (!this._link || this._closing) return
    this._closing = true
    this._link.close()
  }

  _clear() {
    clearTimeout(this._timer)
    this._timer = null
  }

  _state(state, reason) {
    this.state = state
    this.handlers.onState(state, reason || '')
  }
}

module.exports = { Connection }
