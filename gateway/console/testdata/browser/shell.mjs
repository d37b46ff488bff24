// The shell: connection, tabs, language, theme.

import assert from 'node:assert/strict'
import { startDemo } from './harness.mjs'

const online = (page) => page.locator('#connection[data-state="online"]').waitFor()

export default [
  {
    name: 'opens, connects, and goes from tab to tab with the keyboard',
    async run({ page, open, shot }) {
      await open()
      await online(page)
      assert.equal(await page.title(), 'demo · modferry')
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
      for (const tab of ['Terminal', 'Readings', 'Line', 'Connect']) {
        const link = page.getByRole('link', { name: tab, exact: true })
        await link.focus()
        await page.keyboard.press('Enter')
        await page.locator('#tab-' + tab.toLowerCase()).waitFor()
        assert.equal(await link.getAttribute('aria-current'), 'page')
      }
      await page.goBack()
      await page.locator('#tab-line').waitFor()
      await shot('shell-light')
    }
  },
  {
    name: 'speaks Chinese in the dark on a phone, and remembers what was chosen',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot }) {
      await open()
      await online(page)
      assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
      await page.getByRole('link', { name: '读数' }).click()
      await page.locator('#tab-readings').waitFor()
      await shot('shell-phone-dark-zh')
      await page.getByLabel('语言').selectOption('en')
      await page.getByLabel('Colours').selectOption('light')
      await page.reload()
      await online(page)
      assert.equal(await page.locator('html').getAttribute('lang'), 'en')
      assert.equal(await page.locator('html').getAttribute('data-theme'), 'light')
      await shot('shell-phone-light-en')
    }
  },
  {
    name: 'takes another broker address and says why it fails',
    console: /WebSocket connection to|ERR_/,
    async run({ page, open, shot }) {
      await open()
      await online(page)
      await page.locator('#connection').click()
      const address = page.getByLabel('WebSocket address')
      await address.fill('not an address')
      await page.getByRole('button', { name: 'Connect', exact: true }).click()
      await page.getByText('This is no WebSocket address').waitFor()
      await shot('connection')
      await address.fill('ws://127.0.0.1:9/mqtt')
      await page.getByRole('button', { name: 'Connect', exact: true }).click()
      await page.locator('#connection[data-state="waiting"]').waitFor()
      await page.locator('#connection').click()
      await page.getByText('There is no WebSocket of a broker at this address').waitFor()
      await page.keyboard.press('Escape')
    }
  },
  {
    name: 'says what a browser needs of another broker',
    width: 360, height: 740,
    async run({ page, open, shot }) {
      await page.route('**/api/view', async (route) => {
        const view = await (await route.fetch()).json()
        await route.fulfill({ json: { ...view, broker: { ...view.broker, embedded: false, websocket: '', url: 'mqtt://broker.example:1883' } } })
      })
      await open()
      await page.getByRole('dialog').getByText(/broker is mqtt:\/\/broker\.example:1883.*WebSocket listener.*protocol websockets.*docs\/brokers\.md/).waitFor()
      await shot('connection-other')
    }
  },
  {
    name: 'comes back when the gateway does, and shows what is there then',
    console: /WebSocket connection to|ERR_/,
    own: startDemo,
    async run({ page, demo, own, open }) {
      await open('#line')
      await online(page)
      await page.getByText(own.modbus).waitFor()
      await own.stop()
      await page.locator('#connection[data-state="waiting"]').waitFor()
      const next = await startDemo(demo, new URL(own.http).host)
      try {
        await online(page)
        await page.getByText(next.modbus).waitFor()
      } finally {
        await page.goto('about:blank')
        await next.stop()
      }
    }
  }
]
