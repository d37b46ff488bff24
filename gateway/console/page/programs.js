// Whole programs that talk to this gateway, for the Connect tab. Each is a function of
// what is chosen there and returns {text}, or {rows} of [key of a text, value].

import { hex } from './client/modferry.mjs'
import { payloadOf } from './exchange.js'
import { busCall, gatewayOptions, javascript, login, mosquittoAsk, mosquittoWatch, place } from './snippets.js'

export const kinds = ['miniprogram', 'web', 'node', 'python', 'mqttx', 'shell']

const js = (text) => JSON.stringify(text)

function watching({ device, reading }) {
  return reading ? `gateway.reading(${js(device.name)}, ${js(reading.name)}${formOf(device, reading)}).subscribe((r) => console.log(r.value, r.unit, r.quality))\n` : ''
}

function formOf(device, reading) {
  if (device.payload === 'json') return ''
  return `, { form: ${js(device.payload)}${device.payload === 'value' ? '' : `, type: ${js(reading.type)}`} }`
}

const asking = ({ bus, frame }) => `const reply = await ${busCall(bus)}.request('${hex(frame)}')\nconsole.log(reply.values)\n`

// textFor is a payload as text, in a form that the bus takes.
const textFor = (bus, frame) => payloadOf(frame, ['json', 'line'].includes(bus.payload) ? bus.payload : 'hex')

export const programs = {
  miniprogram(chosen) {
    const { view, settings, client, bus, frame } = chosen
    const url = new URL(settings.url)
    const port = url.port || (url.protocol === 'wss:' ? '443' : '80')
    const user = settings.user ? `\n    username: ${js(settings.user)}, password: 'PASSWORD',` : ''
    return {
      text: `const mqtt = require('mqtt')
const { connect } = require('modferry-client')

Page({
  data: { reading: '', reply: '' },

  onLoad() {
    const client = mqtt.connect({
      protocol: ${js(url.protocol.slice(0, -1))}, hostname: ${js(url.hostname)}, host: ${js(url.hostname)}, port: ${port}, path: ${js(url.pathname)},
      clientId: wx.getStorageSync('client') || newClient(), keepalive: 30,${user}
    })
    this.gateway = connect(client, ${gatewayOptions(view, client)})
${watching(chosen).replace('gateway.', 'this.gateway.').replace('console.log(r.value, r.unit, r.quality)', "this.setData({ reading: r.value + ' ' + (r.unit || '') })").replace(/^(?=.)/gm, '    ')}  },

  async ask() {
    try {
      const reply = await ${busCall(bus).replace('gateway', 'this.gateway')}.request('${hex(frame)}')
      this.setData({ reply: reply.values.join(' ') })
    } catch (error) {
      this.setData({ reply: error.message })
    }
  }
})

// One name for each installed app, kept.
function newClient() {
  const name = 'app-' + Math.random().toString(36).slice(2)
  wx.setStorageSync('client', name)
  return name
}
`
    }
  },

  web(chosen) {
    const { view, settings, client } = chosen
    const credentials = settings.user ? `, userName: ${js(settings.user)}, password: 'PASSWORD'` : ''
    return {
      text: `<!doctype html>
<meta charset="utf-8">
<title>modferry</title>
<script src="paho-mqtt-min.js"></script>
<script type="module">
import { connect } from './modferry.mjs'

const client = new Paho.Client(${js(settings.url)}, 'web-' + crypto.randomUUID())
await new Promise((onSuccess, onFailure) => client.connect({ onSuccess, onFailure, keepAliveInterval: 30, mqttVersion: 4${credentials} }))
const gateway = connect(client, ${gatewayOptions(view, client)})
${watching(chosen)}${asking(chosen)}</script>
`
    }
  },

  node(chosen) {
    const { view, settings, bus, frame, client } = chosen
    const whole = javascript(view, settings, bus, frame, client)
    return { text: whole.replace('client.end()\n', watching(chosen) || 'client.end()\n') }
  },

  python({ view, settings, topics, frame, reading, bus }) {
    const { host, port, tls, scheme, url } = place(view)
    const socket = scheme.startsWith('ws')
    const lines = [
      socket && `client.ws_set_options(path=${js(new URL(url.replace(/^ws/, 'http')).pathname)})`,
      tls && 'client.tls_set()',
      settings.user && `client.username_pw_set(${js(settings.user)}, "PASSWORD")`
    ].filter(Boolean).map((line) => line + '\n').join('')
    const json = ['auto', 'json'].includes(bus.payload)
    const payload = bus.payload === 'line' ? js(textFor(bus, frame)) : json ? `json.dumps({"id": uuid.uuid4().hex, "frame": "${hex(frame)}"})`
      : bus.payload === 'hex' ? `"${hex(frame)}"` : `bytes.fromhex("${hex(frame)}")`
    return {
      text: `${json ? 'import json\nimport uuid\n\n' : ''}import paho.mqtt.client as mqtt  # pip install paho-mqtt


def connected(client, *_):
    client.subscribe([(${js(topics.response)}, 1), (${js(topics.error)}, 1)${reading ? `, (${js(reading.topic)}, 1)` : ''}])


def subscribed(client, *_):  # now a reply cannot be missed
    client.publish(${js(topics.request)}, ${payload})


def arrived(client, _, message):
    print(message.topic, message.payload${bus.payload === 'binary' ? '' : '.decode()'}, flush=True)


version = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []  # paho 2 asks for it
client = mqtt.Client(*version${socket ? ', transport="websockets"' : ''})
client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, arrived
${lines}client.connect(${js(host)}, ${port}, keepalive=30)
client.loop_forever()
`
    }
  },

  mqttx({ view, settings, topics, frame, client, bus }) {
    const at = place(view)
    return {
      rows: [
        ['mqttx_host', `${at.scheme}://${at.host}`], ['mqttx_port', at.port], ['mqttx_client', client], ...(settings.user ? [['mqttx_user', settings.user]] : []),
        ['mqttx_version', '3.1.1'], ['mqttx_tls', at.tls ? 'on' : 'off'], ['mqttx_subscribe', topics.response], ['mqttx_subscribe_error', topics.error],
        ['mqttx_publish', topics.request], ['mqttx_payload', textFor(bus, frame)]
      ]
    }
  },

  shell({ view, settings, topics, frame, reading, bus }) {
    const ask = mosquittoAsk(view, settings, topics, textFor(bus, frame))
    const watch = reading && mosquittoWatch(view, settings, reading.topic)
    return { text: [ask, watch].filter(Boolean).join('\n') + '\n' }
  }
}
