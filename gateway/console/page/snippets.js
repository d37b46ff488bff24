// Ready commands and code for this gateway, with what the person has set.

import { hex } from './client/modferry.mjs'
import { userName } from './connection.js'

// quoted is a text for a POSIX shell.
const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'"

// place returns where the broker is for programs: {url, host, port, tls}. The gateway may
// listen on all addresses, or know a name that only means its own machine: then this
// page's own address is what others use.
export function place(view) {
  const url = new URL(view.broker.url.replace(/^(mqtts?|wss?):/, 'http:'))
  const scheme = view.broker.url.split(':')[0]
  const tls = scheme === 'mqtts' || scheme === 'wss'
  const loopback = /^(127\.|localhost$|\[::1\]$)/
  if (/^(0\.0\.0\.0|\[::\])$/.test(url.hostname) || loopback.test(url.hostname) && !loopback.test(location.hostname)) url.hostname = location.hostname
  const port = url.port || (view.broker.url.match(/:(\d+)(\/|$)/) || [])[1] || { mqtt: '1883', mqtts: '8883', ws: '80', wss: '443' }[scheme]
  return { url: `${scheme}://${url.hostname}:${port}${scheme.startsWith('ws') ? url.pathname : ''}`, scheme, host: url.hostname, port, tls }
}

// mosquitto returns the beginning of a command, with the topic.
function mosquitto(program, view, settings, topic) {
  const { host, port, tls } = place(view)
  const login = settings?.user ? ` -u ${quoted(settings.user)} -P PASSWORD` : ''
  return `${program} -h ${host} -p ${port}${tls ? ' --tls-use-os-certs' : ''}${login} -t ${quoted(topic)}`
}

// mosquittoAsk returns a command that sends a request and shows the reply. On a topic for
// both it would take its own request for that.
export function mosquittoAsk(view, settings, topics, payload) {
  const both = topics.request === topics.response
  return mosquitto(both ? 'mosquitto_pub' : 'mosquitto_rr', view, settings, topics.request) + (both ? '' : ` -e ${quoted(topics.response)}`) + ` -m ${quoted(payload)}`
}

// mosquittoWatch returns a command that shows what comes on a topic.
export const mosquittoWatch = (view, settings, topic) => mosquitto('mosquitto_sub', view, settings, topic) + ' -v'

// send returns a modferry send command; client is '' for the name that it has by itself.
export function send(view, settings, bus, frame, client) {
  const parts = ['modferry send --broker', place(view).url, '--gateway', view.gateway]
  if (view.prefix !== 'modferry/' + view.gateway) parts.push('--prefix', quoted(view.prefix))
  parts.push('--bus', bus.name)
  if (!bus.endings) parts.push('--request', quoted(bus.request))
  if (bus.shared_response) parts.push('--response', quoted(bus.response))
  if (settings?.user) parts.push('--username', quoted(settings.user), '--password-file FILE')
  if (client && bus.endings) parts.push('--client', client)
  return parts.join(' ') + ` "${hex(frame, ' ')}"`
}

// gatewayOptions are those of connect() of the JavaScript client.
export function gatewayOptions(view, name) {
  const prefix = view.prefix === 'modferry/' + view.gateway ? '' : `, prefix: ${JSON.stringify(view.prefix)}`
  return `{ gateway: ${JSON.stringify(view.gateway)}${prefix}, client: ${JSON.stringify(name)} }`
}

// busCall is how the JavaScript client names a bus.
export function busCall(bus) {
  const fixed = []
  if (!bus.endings) fixed.push(`request: ${JSON.stringify(bus.request)}`)
  if (bus.shared_response) fixed.push(`response: ${JSON.stringify(bus.response)}`)
  if (bus.payload !== 'auto' && bus.payload !== 'json') fixed.push(`form: ${JSON.stringify(bus.payload)}`)
  return `gateway.bus(${JSON.stringify(bus.name)}${fixed.length ? `, { ${fixed.join(', ')} }` : ''})`
}

// login are the options of MQTT.js.
export const login = (settings) => settings?.user ? `, { username: ${JSON.stringify(settings.user)}, password: 'PASSWORD' }` : ''

// appName is what an app calls itself, unless somebody chose a name: as the user, by
// which access rules go.
export const appName = (settings) => userName(settings) || 'my-app'

// javascript returns a whole program with MQTT.js.
export function javascript(view, settings, bus, frame, client) {
  return `import mqtt from 'mqtt'
import { connect } from './modferry.mjs' // ${new URL('client/modferry.mjs', location.href).href}

const client = mqtt.connect(${JSON.stringify(settings?.url || place(view).url)}${login(settings)})
const gateway = connect(client, ${gatewayOptions(view, client || appName(settings))})
const reply = await ${busCall(bus)}.request('${hex(frame)}')
console.log(reply.values)
client.end()
`
}
