// What a person fills in, kept in storage, and the client id, made once for each installed app: a session
// at the broker belongs to it, and two apps with one id would throw each other out.

const { names } = require('./link.js')

const KEY = 'settings'

// The demo's: "modferry demo" on this machine.
const defaults = {
  url: 'ws://127.0.0.1:8080/mqtt',
  username: '',
  password: '',
  gateway: 'demo',
  bus: 'line',
  device: 'sensor',
  qos: 2, // of requests and subscriptions
  library: names[0]
}

function newClientId() {
  const random = () => Math.floor(Math.random() * 0x100000000).toString(16).padStart(8, '0')
  return 'wx-' + random() + random()
}

// load returns the settings, those that are not stored yet by default.
function load(storage) {
  const settings = Object.assign({}, defaults, storage.getStorageSync(KEY))
  if (!settings.clientId) {
    settings.clientId = newClientId()
    storage.setStorageSync(KEY, settings)
  }
  return settings
}

function save(storage, settings) {
  storage.setStorageSync(KEY, settings)
}

// problem says what is wrong with settings, '' if nothing is.
function problem(settings) {
  const name = /^[A-Za-z0-9_-]{1,64}$/
  const url = /^(wss?):\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d+)?\/\S*$/.exec(settings.url)
  if (!url) return 'The address of the broker is like wss://host/mqtt.'
  if (url[1] === 'ws' && !/^(127\.|localhost$|10\.|192\.168\.)/.test(url[2])) return 'A released mini-program connects by wss:// only; ws:// is for tests in your own network.'
  if (!name.test(settings.gateway)) return 'The gateway is a name of letters, digits, _ and -.'
  if (!name.test(settings.bus)) return 'The bus is a name of letters, digits, _ and -.'
  if (!name.test(settings.device)) return 'The device is a name of letters, digits, _ and -.'
  if (settings.password && !settings.username) return 'A password needs a user name.'
  return ''
}

module.exports = { load, save, problem, defaults }
