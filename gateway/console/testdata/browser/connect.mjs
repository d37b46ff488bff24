// Connect: the check of the way, topics and code.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './harness.mjs'

const ready = (page) => page.locator('#connection[data-state="online"]').waitFor()
const states = (page) => page.locator('.steps li').evaluateAll((all) => all.map((one) => one.dataset.state))
const kinds = ['Mini-program', 'Web page', 'Node.js', 'Python', 'MQTTX', 'Shell']

const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url))

// code is what the page offers for a kind of app.
async function code(page, kind) {
  await page.getByRole('button', { name: kind, exact: true }).click()
  return page.locator('.code pre').textContent()
}

// prints runs a program until it has printed what matches, or says what it printed.
function prints(program, args, cwd, pattern) {
  return new Promise((resolve, reject) => {
    let text = ''
    const child = spawn(program, args, { cwd, detached: true })
    const kill = () => { // with what it has started
      try {
        process.kill(-child.pid)
      } catch { /* it has ended */ }
    }
    const end = setTimeout(kill, 30000)
    const read = (part) => {
      text += part
      if (pattern.test(text)) kill()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('close', () => {
      clearTimeout(end)
      if (pattern.test(text)) resolve()
      else reject(new Error(`${program} ${args.join(' ')} printed: ${text}`))
    })
  })
}

// onPhone runs a page of a mini-program, in a model of its surroundings.
async function onPhone(dir, text) {
  const { MiniProgram } = await import(examples + 'miniprogram/test/wx.mjs')
  for (const part of ['libs', 'miniprogram_npm']) await cp(examples + 'miniprogram/' + part, join(dir, part), { recursive: true })
  await mkdir(join(dir, 'pages/index'), { recursive: true })
  await writeFile(join(dir, 'app.json'), '{"pages": ["pages/index/index"]}')
  await writeFile(join(dir, 'app.js'), 'App({})')
  await writeFile(join(dir, 'pages/index/index.wxml'), '<view id="reply">{{reply}}</view>')
  await writeFile(join(dir, 'pages/index/index.js'), text)
  const program = new MiniProgram({ root: dir }).launch()
  const { instance } = program.page
  try {
    await until('a reading', () => /^-?\d+(\.\d+)? °C$/.test(instance.data.reading) || program.problems)
    await instance.ask()
    assert.match(instance.data.reply, /^\d+ \d+$/)
    assert.deepEqual(program.problems, [])
  } finally {
    program.kill()
  }
}

// inBrowser opens a page from a server of its own, as an app's would be.
async function inBrowser(context, files) {
  const server = createServer(async (request, response) => {
    const file = files[request.url.slice(1)]
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'text/javascript')
    response.statusCode = file ? 200 : 404
    response.end(file)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const page = await context.newPage()
  const said = []
  page.on('console', (message) => said.push(message.text()))
  page.on('pageerror', (error) => said.push(String(error)))
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  await until('a reply and a reading', () => /\d+, \d+/.test(said.join()) && /°C good/.test(said.join()) || said)
  await page.close()
  server.close()
}

// installed tells whether the examples' packages are there, which make test sees to.
const installed = process.env.MODFERRY_REAL === '1' || existsSync(examples + 'node/node_modules') && existsSync(examples + 'miniprogram/node_modules')

export default [
  {
    name: 'checks the way to the device and shows topics and code',
    async run({ page, open, shot, demo }) {
      await open('#connect')
      await ready(page)
      await page.getByRole('button', { name: 'Check', exact: true }).click()
      await page.getByText('Everything works.').waitFor()
      assert.deepEqual(await states(page), Array(7).fill('good'))
      await page.getByLabel('Name of your app').fill('panel-7')
      await page.getByText('modferry/demo/bus/line/request/panel-7', { exact: true }).waitFor()
      await page.getByText(demo.mqtt, { exact: true }).waitFor()
      for (const kind of kinds) {
        await page.getByRole('button', { name: kind, exact: true }).click()
        await until(kind + ' names the topics or the gateway', async () => /panel-7/.test(await page.locator('#tab-connect .card').last().textContent()))
      }
      await page.getByRole('button', { name: 'Mini-program' }).click()
      await shot('connect-light')
      await page.getByRole('button', { name: 'Copy Code' }).click()
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /require\('modferry-client'\)/)
    }
  },
  {
    name: 'offers programs that run as they are',
    async run({ page, open, context, note }) {
      if (!installed) return note('skipped: the packages of the examples are not installed')
      await open('#connect')
      await ready(page)
      const dir = await mkdtemp(join(tmpdir(), 'modferry-snippet-'))
      try {
        await writeFile(join(dir, 'app.mjs'), await code(page, 'Node.js'))
        await copyFile(examples + 'client/modferry.mjs', join(dir, 'modferry.mjs'))
        await symlink(examples + 'node/node_modules', join(dir, 'node_modules'))
        await writeFile(join(dir, 'app.sh'), await code(page, 'Shell'))
        await writeFile(join(dir, 'app.py'), await code(page, 'Python'))
        const phone = await code(page, 'Mini-program')
        const web = {
          '': await code(page, 'Web page'), 'modferry.mjs': await readFile(examples + 'client/modferry.mjs'),
          'paho-mqtt-min.js': await readFile(new URL('node_modules/paho-mqtt/paho-mqtt-min.js', import.meta.url))
        }
        await Promise.all([
          onPhone(join(dir, 'phone'), phone), inBrowser(context, web),
          prints(process.execPath, ['app.mjs'], dir, /\[ \d+, \d+ \][^]*°C good|°C good[^]*\[ \d+, \d+ \]/),
          prints('/usr/bin/python3', ['app.py'], dir, /response\/my-app \{.*"ok":true/),
          prints('sh', ['app.sh'], dir, /^0104\w{14}\n[^]*temperature \{/)
        ])
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    }
  },
  {
    name: 'says at which step the way ends and why',
    console: /WebSocket connection to|ERR_|status of 404/,
    async run({ page, open, base, shot }) {
      await open('#connect')
      await ready(page)
      const attempt = async (url) => {
        await page.getByRole('button', { name: 'Change the connection' }).click()
        await page.getByLabel('WebSocket address').fill(url)
        await page.getByRole('button', { name: 'Connect', exact: true }).click()
        await page.getByRole('button', { name: 'Check', exact: true }).click()
        await page.getByText('It stops at the step').waitFor()
        return states(page)
      }
      assert.deepEqual(await attempt(base.replace('http', 'ws') + 'elsewhere'), ['good', 'bad', ...Array(5).fill('skipped')])
      await page.getByText('This gateway has no /elsewhere').waitFor()
      assert.deepEqual(await attempt('ws://127.0.0.1:9/mqtt'), ['good', 'bad', ...Array(5).fill('skipped')])
      await page.getByText('Nothing answers as a WebSocket there').waitFor()
      await shot('connect-failed')
    }
  },
  {
    name: 'fits a phone in Chinese and in the dark',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot }) {
      await open('#connect')
      await ready(page)
      await page.getByRole('button', { name: '检查', exact: true }).click()
      await page.getByText('一切正常').waitFor()
      await shot('connect-phone-dark-zh')
    }
  }
]
