// Connect: the check of the way, topics and code.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
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
    async run({ page, open }) {
      await open('#connect')
      await ready(page)
      const dir = await mkdtemp(join(tmpdir(), 'modferry-snippet-'))
      try {
        await writeFile(join(dir, 'app.mjs'), await code(page, 'Node.js'))
        await copyFile(examples + 'client/modferry.mjs', join(dir, 'modferry.mjs'))
        await symlink(examples + 'node/node_modules', join(dir, 'node_modules'))
        await writeFile(join(dir, 'app.sh'), await code(page, 'Shell'))
        await writeFile(join(dir, 'app.py'), await code(page, 'Python'))
        await Promise.all([
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
