// The ES module in a page of chromium, over the WebSocket of the demo: node browser.mjs CHROMIUM,
// with PLACE as in clients.test.mjs. It fails unless both libraries get what they ask for.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const place = JSON.parse(process.env.PLACE)
const files = {
  '/': ['text/html', '<!doctype html><title>test</title><script src="mqtt.js"></script><script src="paho.js"></script>'],
  '/modferry.mjs': ['text/javascript', readFileSync(new URL('../modferry.mjs', import.meta.url))],
  '/mqtt.js': ['text/javascript', readFileSync(new URL('../node_modules/mqtt/dist/mqtt.min.js', import.meta.url))],
  '/paho.js': ['text/javascript', readFileSync(new URL('../node_modules/paho-mqtt/paho-mqtt.js', import.meta.url))]
}
const server = createServer((request, response) => {
  const [type, content] = files[request.url] ?? []
  response.writeHead(content ? 200 : 404, { 'Content-Type': type ?? 'text/plain', 'Content-Security-Policy': "default-src 'self'; connect-src ws:" })
  response.end(content)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const profile = mkdtempSync(join(tmpdir(), 'modferry-browser-'))
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.argv[2],
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

// inPage runs in the page: it returns what an app shows.
async function inPage([library, place]) {
  const { connect, decode, hex } = await import('/modferry.mjs')
  let client
  if (library === 'mqtt') client = window.mqtt.connect(place.websocket, { clientId: 'page-mqtt' })
  else {
    client = new window.Paho.Client(place.websocket, 'page-paho')
    client.connect({ userName: '', password: '', mqttVersion: 4 })
  }
  const gateway = connect(client, { gateway: place.gateway, client: 'page-' + library, timeout: 20000 })
  const shown = {}
  for (const form of ['json', 'hex', 'binary']) {
    const line = gateway.bus(place.bus, { form })
    const reply = await line.request({ unit: place.unit, function: 4, address: 1 })
    shown[form] = [reply.values.length, decode(reply.values, { type: 'int16', scale: 0.1 })]
    const written = await line.request({ unit: place.unit, function: 6, address: 0x103, value: 7 })
    shown[form + ' write'] = written.outcome + ' ' + hex(written.frame)
    const refused = await line.request({ unit: place.unit, function: 6, address: 900, value: 7 }).catch((error) => error)
    shown[form + ' refused'] = refused.name + ' ' + refused.outcome
  }
  shown.reading = await new Promise((resolve) => gateway.reading(place.device, 'temperature').subscribe((one) => resolve([typeof one.value, one.unit, one.quality])))
  gateway.close()
  if (library === 'mqtt') client.end(true)
  else client.disconnect()
  return shown
}

try {
  const page = await browser.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  for (const library of ['mqtt', 'paho']) {
    const shown = await page.evaluate(inPage, [library, place])
    for (const form of ['json', 'hex', 'binary']) {
      assert.equal(shown[form][0], 1)
      assert.ok(Math.abs(shown[form][1]) < 100, `${library} ${form}: ${shown[form][1]} degrees`)
      assert.equal(shown[form + ' write'], 'done 01060103000739F4')
      assert.equal(shown[form + ' refused'], 'ModferryError refused')
    }
    assert.deepEqual(shown.reading, ['number', '°C', 'good'])
  }
  assert.deepEqual(complaints, [])
  console.log('browser done')
} finally {
  await browser.close()
  server.close()
  rmSync(profile, { recursive: true, force: true })
}
