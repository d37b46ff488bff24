// The way from a browser to a device, step by step, until one fails.

import { bytes } from './client/modferry.mjs'
import { firstRequest } from './compose.js'
import { exchange, notAllowed } from './exchange.js'
import { errorText, exceptionText } from './explain.js'
import { Connection } from './mqtt.js'
import { number, t } from './words.js'

const PATIENCE = 6000 // ms for each step

// steps are what is checked, in this order. A step is a function of the run; it returns
// a text for people, or throws a Problem.
export const steps = ['address', 'socket', 'login', 'gateway', 'subscription', 'request', 'readings']

class Problem extends Error {}

// check runs all steps with settings {url, user, password}, on a connection of its own.
// report(name, state, text) is called as they go: state running, good, warn, bad, or
// skipped for what comes after one that failed.
export async function check(view, settings, topicsOf, report) {
  const connection = new Connection()
  const run = { view, settings, topicsOf, connection }
  let failed = false
  for (const name of steps) {
    if (failed) {
      report(name, 'skipped', '')
      continue
    }
    report(name, 'running', '')
    try {
      const { text, state = 'good' } = await all[name](run)
      report(name, state, text)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      failed = true
      report(name, 'bad', problem.message)
    }
  }
  connection.close()
  return !failed
}

const all = {
  address({ settings }) {
    let url
    try {
      url = new URL(settings?.url || '')
    } catch {
      throw new Problem(t('check.no_address'))
    }
    const loopback = /^(localhost|127\.|\[::1\])/.test(url.hostname)
    if (location.protocol === 'https:' && url.protocol === 'ws:' && !loopback) throw new Problem(t('connection.blocked'))
    return { text: url.href }
  },

  // The browser does not tell why a WebSocket fails. Of this server one can ask.
  async socket({ settings }) {
    const begun = performance.now()
    const open = await new Promise((resolve) => {
      let socket
      const end = (result) => { clearTimeout(late); socket?.close(); resolve(result) }
      const late = setTimeout(end, PATIENCE, false)
      try {
        socket = new WebSocket(settings.url, ['mqtt'])
      } catch {
        return end(false)
      }
      socket.onopen = () => end(true)
      socket.onerror = () => end(false)
    })
    if (open) return { text: t('check.socket_good', { ms: number(performance.now() - begun, 0) }) }
    const url = new URL(settings.url)
    if (url.host !== location.host) throw new Problem(t('check.socket_bad'))
    const answer = await fetch(url.pathname).catch(() => null)
    if (answer?.status === 404) throw new Problem(t('check.socket_none', { path: url.pathname }))
    if (answer && answer.status !== 426) throw new Problem(t('check.socket_said', { status: answer.status, text: (await answer.text()).trim() }))
    throw new Problem(t('check.socket_bad'))
  },

  async login({ connection, settings }) {
    const reason = await new Promise((resolve) => {
      const late = setTimeout(resolve, PATIENCE, 'timeout')
      connection.watch(({ phase, reason }) => {
        if (phase === 'online') resolve('')
        else if (phase === 'refused' || phase === 'waiting') resolve(reason)
        else return
        clearTimeout(late)
      })
      connection.open(settings)
    })
    if (reason) throw new Problem(t('connection.' + reason))
    return { text: settings.user ? t('check.login_user', { user: settings.user }) : t('check.login_nobody') }
  },

  async gateway({ connection, view }) {
    const topic = view.prefix + '/status'
    const { granted, message } = await first(connection, topic)
    if (!granted) throw new Problem(t('error.not_allowed', { topic }))
    if (!message) throw new Problem(t('check.gateway_none', { topic }))
    if (message.text !== 'online') throw new Problem(t('check.gateway_offline', { topic, text: message.text }))
    return { text: t('check.gateway_good', { topic }) }
  },

  async subscription({ connection, view, topicsOf }) {
    const bus = view.buses[0]
    if (!bus) return { text: t('terminal.no_bus'), state: 'warn' }
    for (const topic of [topicsOf(bus).response, topicsOf(bus).error]) {
      const end = connection.subscribe(topic, () => {}, { replay: false })
      if (!await end.granted) throw new Problem(t('error.' + notAllowed(bus), { topic }))
    }
    return { text: topicsOf(bus).response }
  },

  async request({ connection, view, topicsOf }) {
    const asked = firstRequest(view)
    const bus = view.buses.find((one) => one.name === asked.bus)
    if (!bus) return { text: t('terminal.no_bus'), state: 'warn' }
    const form = bus.payload === 'auto' ? 'json' : bus.payload
    const result = await exchange({ connection, view, topicsOf }, bus, bytes(asked.text), form)
    if (result.exception && result.error && result.error.code !== 'exception') return { text: t('check.request_own', { text: errorText(result.error) }), state: 'warn' }
    if (result.exception) {
      const { name, hint } = exceptionText(result.exception.code)
      return { text: t('check.request_exception', { n: result.exception.code, name, hint }), state: 'warn' }
    }
    if (result.error) throw new Problem(errorText(result.error))
    return { text: t('check.request_good', { frame: asked.text, ms: number(result.took, 0) }) }
  },

  async readings({ connection, view }) {
    const device = view.devices[0]
    if (!device?.readings.length) return { text: t('check.no_device'), state: 'warn' }
    const { topic } = device.readings[0]
    const { granted, message } = await first(connection, topic)
    if (!granted) throw new Problem(t('error.not_allowed', { topic }))
    if (!message) return { text: t('check.reading_none', { topic }), state: 'warn' }
    return { text: topic }
  }
}

// first waits for a message on a topic.
async function first(connection, topic) {
  let end
  const message = new Promise((resolve) => { end = connection.subscribe(topic, resolve) })
  const granted = await end.granted
  const got = granted ? await Promise.race([message, new Promise((resolve) => setTimeout(resolve, PATIENCE / 2, null))]) : null
  end()
  return { granted, message: got }
}
