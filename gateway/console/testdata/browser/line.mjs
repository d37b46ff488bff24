// Line: counters of buses and units, the trace of frames.

import assert from 'node:assert/strict'
import { until } from './harness.mjs'

const online = (page) => page.locator('#connection[data-state="online"]').waitFor()

// ask sends a request as an app would, over the page's own library.
const ask = (page, demo, frame, client = 'panel') => page.evaluate(([url, topic, frame]) => new Promise((resolve, reject) => {
  const app = new Paho.Client(url, 'test-' + Math.random())
  const done = () => { app.disconnect(); resolve() }
  app.connect({ onSuccess: () => { app.send(topic, frame, 1); app.onMessageDelivered = done }, onFailure: reject })
}), [demo.websocket, demo.request + '/' + client, frame])

export default [
  {
    name: 'shows buses and units, and the frames as they pass',
    async run({ page, open, shot, demo }) {
      await open('#line')
      await online(page)
      const bus = page.locator('[data-bus="line"]')
      await bus.getByText('Open', { exact: true }).waitFor()
      const unit = bus.locator('[data-unit="1"]')
      await unit.getByText('sensor').waitFor()
      await unit.getByText(/Answered \d+ s ago/).waitFor()
      const rows = page.locator('.transaction')
      await until('polls in the trace', async () => await rows.count() >= 2 || rows.count())
      assert.match(await rows.first().textContent(), /poll.*→.*00 00 00 00 00 06 01 0[34] 0/)
      await page.getByRole('combobox', { name: 'What is shown' }).selectOption('requests')
      await ask(page, demo, '010400010002')
      await ask(page, demo, '010300090001')
      const own = rows.filter({ hasText: 'panel' })
      await until('the requests of an app', async () => await own.count() === 2 || own.count())
      assert.equal(await rows.filter({ hasText: /^\S+poll/ }).count(), 0, 'polls are not shown')
      assert.match(await own.first().textContent(), /exception 2 \(illegal data address\)/)
      await own.nth(1).hover()
      const details = page.locator('.details')
      await details.getByText(/read input registers/i).first().waitFor()
      await details.locator('.byte').nth(2).hover()
      await details.locator('.explained').getByText(/counted from 0/).waitFor()
      await shot('line-light')
    }
  },
  {
    name: 'pauses, filters and clears the trace',
    async run({ page, open, demo }) {
      await open('#line')
      await online(page)
      const rows = page.locator('.transaction')
      await rows.first().waitFor()
      await page.getByRole('button', { name: 'Pause', pressed: false }).click()
      const before = await rows.count()
      await page.getByText(/^\d+ more$/).waitFor()
      assert.equal(await rows.count(), before)
      await page.getByRole('button', { name: 'Pause' }).click()
      await until('what came meanwhile', async () => await rows.count() > before)
      await page.getByRole('combobox', { name: 'What is shown' }).selectOption('errors')
      assert.equal(await page.locator('.transaction[data-outcome="good"]').count(), 0)
      await page.getByRole('combobox', { name: 'What is shown' }).selectOption('')
      await rows.first().waitFor()
      await page.getByRole('combobox', { name: 'Unit' }).selectOption('1')
      await rows.first().waitFor()
      await page.getByRole('button', { name: 'Clear' }).click()
      await rows.first().waitFor()
      await rows.first().focus()
      await page.locator('.details .byte').first().waitFor()
      const standing = await rows.count()
      await page.getByText(/^\d+ more$/).waitFor()
      assert.equal(await rows.count(), standing, 'the list stands still while it has the focus')
      await page.getByRole('button', { name: 'Pause' }).focus()
      await until('what came meanwhile', async () => await rows.count() > standing)
      await rows.first().focus()
      const first = await rows.first().textContent()
      await page.keyboard.press('ArrowDown')
      assert.notEqual(await page.evaluate(() => document.activeElement.textContent), first)
    }
  },
  {
    name: 'fits a phone in the dark, in Chinese',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot }) {
      await open('#line')
      await page.locator('.transaction').first().waitFor()
      await page.locator('[data-unit="1"]').getByText(/平均 .* ms/).waitFor()
      const [content, room] = await page.locator('.bus .scroll').evaluate((e) => [e.scrollWidth, e.clientWidth])
      assert.ok(content <= room, `the units are ${content} px wide in ${room} px`)
      await shot('line-phone-dark-zh')
      await page.locator('[data-unit="1"]').scrollIntoViewIfNeeded()
      await shot('line-phone-dark-zh-units')
      await page.locator('.transaction').first().click()
      await page.locator('.details .byte').first().waitFor()
      await shot('line-phone-dark-zh-details')
    }
  },
  {
    name: 'does not alarm for a unit that nobody needs',
    width: 360, height: 740,
    async run({ page, open, shot }) {
      await page.route('**/api/buses', async (route) => {
        const report = await (await route.fetch()).json()
        const at = (ms) => new Date(Date.parse(report.time) + ms).toISOString()
        const [bus] = report.buses
        const dead = { ...bus.units[0], exceptions: { 2: 1 }, answered: undefined, failure: 'timeout', failed: at(-300000) }
        bus.units = [bus.units[0],
          { ...dead, unit: 70, devices: [], resting: { timeouts: 4, probe: at(-240000) } },
          { ...dead, unit: 80, devices: ['pump'], resting: { timeouts: 4, probe: at(30000) } }]
        await route.fulfill({ json: report })
      })
      await open('#line')
      const badge = (unit) => page.locator(`[data-unit="${unit}"] .badge`)
      await badge(70).getByText('Last asked 5 min ago: no reply').waitFor()
      assert.equal((await badge(70).getAttribute('class')).trim(), 'badge')
      await badge(80).getByText('Resting after 4 timeouts').waitFor()
      assert.equal(await badge(80).getAttribute('class'), 'badge bad')
      await page.locator('[data-unit="70"]').getByText('exception 2 (illegal data address): 1').waitFor()
      await page.locator('[data-unit="80"]').scrollIntoViewIfNeeded()
      await shot('line-phone-units')
      for (const width of [820, 1010, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        const [content, room] = await page.locator('.bus .scroll').evaluate((e) => [e.scrollWidth, e.clientWidth])
        assert.ok(content <= room, `the units are ${content} px wide in ${room} px of a window of ${width}`)
        await shot('line-units-' + width)
      }
    }
  },
  {
    name: 'explains the frames of every framing',
    async run({ page, open }) {
      await open('#line')
      await page.locator('.transaction').first().waitFor()
      const found = await page.evaluate(async () => {
        const { aduOf } = await import('./trace.js')
        const ascii = Array.from(':010400010002F8\r\n', (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('')
        return [['000100000006010400010002', 'tcp'], ['010400010002200B', 'rtu'], [ascii, 'ascii'], ['010400010002', 'bare']]
          .map(([hex, framing]) => Array.from(aduOf(hex, framing)).join(' '))
      })
      assert.deepEqual(found, ['1 4 0 1 0 2', '1 4 0 1 0 2 32 11', '1 4 0 1 0 2', '1 4 0 1 0 2'])
    }
  }
]
