import { invalid } from './error.mjs'
import { pduOf } from './frame.mjs'
import { bytes, view } from './hex.mjs'
import { guarded, parsed } from './message.mjs'
import { bitsOf, registersOf } from './register.mjs'
import { decode } from './value.mjs'

// Observable has values to be subscribed to: subscribe(f, failed) calls f with the latest
// one, if there is one, and with each that follows, and failed with a ModferryError if the
// broker refuses the subscription; it returns a function that ends it.
export class Observable {
  constructor(start) {
    this.start = start
    this.listeners = new Set()
    this.last = []
  }

  subscribe(f, failed) {
    const listener = { take: (value) => guarded(f, value), fail: (error) => failed && guarded(failed, error) }
    this.listeners.add(listener)
    const tell = (what, value) => Array.from(this.listeners).forEach((one) => one[what](value))
    if (this.listeners.size > 1) this.last.forEach(listener.take)
    else {
      this.stop = this.start((value) => {
        this.last = [value]
        tell('take', value)
      }, (error) => tell('fail', error))
    }
    return () => {
      if (!this.listeners.delete(listener) || this.listeners.size) return
      this.last = []
      this.stop()
    }
  }
}

export function reading(gateway, base, name, options) {
  const how = Object.assign({ form: 'json' }, options)
  if (!['json', 'value', 'hex', 'binary'].includes(how.form)) throw invalid('form "' + how.form + '" is not known: the forms are json, value, hex, binary')
  return new Observable((emit, failed) => {
    let latest = null
    let device // undefined = its status has not come yet
    let shown = ''
    let told = '' // what was told last, less its age
    const away = () => !gateway.connected ? 'connection' : gateway.online === false ? 'gateway' : device === false ? 'device' : ''
    const tell = () => {
      if (!latest) return
      shown = away()
      const out = Object.assign({ offline: shown }, latest)
      if (shown && out.quality === 'good') out.quality = 'stale'
      const key = JSON.stringify([out.value, out.unit, out.quality, out.time, shown])
      if (key === told) return
      told = key
      out.age = out.time ? Math.max(0, Date.now() - out.time.getTime()) : null
      emit(out)
    }
    const changed = () => { if (shown !== away()) tell() }
    gateway.states.add(changed)
    const status = gateway.listen(base + '/status', (message) => {
      device = message.text === 'online'
      changed()
    })
    const values = gateway.listen(base + '/' + name, (message) => {
      const value = sample(message, how)
      if (!value) return
      latest = value
      tell()
    }, failed)
    return () => {
      gateway.states.delete(changed)
      status.stop()
      values.stop()
    }
  })
}

// sample reads the payload of a reading, null if it is none.
function sample(message, how) {
  const now = message.retained ? null : new Date()
  const plain = (value) => ({ value, quality: 'good', time: now })
  if (how.form === 'json') {
    const value = parsed(message.payload)
    if (value && value.value !== undefined) {
      const time = new Date(value.time)
      return { value: value.value, unit: value.unit, quality: value.quality || 'good', time: isNaN(time.getTime()) ? now : time }
    }
  }
  if (how.form === 'hex' || how.form === 'binary') {
    try {
      const raw = how.form === 'hex' ? bytes(message.text) : view(message.payload)
      const data = pduOf(raw).subarray(2)
      const value = plain(raw[1] <= 2 ? bitsOf(data, 8 * data.length)[how.at || 0] : decode(registersOf(data), how))
      return raw[1] & 0x80 ? null : Object.assign(value, { unit: how.unit, frame: raw })
    } catch (error) {
      return null
    }
  }
  try {
    return plain(JSON.parse(message.text))
  } catch (error) {
    return message.text === '' ? null : plain(message.text)
  }
}
