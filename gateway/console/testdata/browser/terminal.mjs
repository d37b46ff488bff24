// The terminal.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { startDemo, until } from './harness.mjs'

const ready = (page) => page.locator('#connection[data-state="online"]').waitFor()
const send = (page) => page.getByRole('button', { name: /^Send/ })
const reply = (page) => page.locator('.side').nth(1)

export default [
  {
    name: 'shows the first reply of a demo that has just been started',
    own: async (demo) => ({ started: Date.now(), ...await startDemo(demo) }),
    async run({ page, open, own, note }) {
      await open()
      await page.locator('.actions .primary:enabled').click()
      await reply(page).getByText('OK', { exact: true }).waitFor()
      note(`from the start of the demo to the first reply: ${Date.now() - own.started} ms`)
    }
  },
  {
    name: 'shows a reply at once, with every byte explained',
    async run({ page, open, shot }) {
      await open()
      await ready(page)
      await send(page).click()
      await reply(page).getByText('OK', { exact: true }).waitFor()
      assert.match(await reply(page).locator('.took').textContent(), /ms/)
      assert.match(await reply(page).locator('.values').textContent(), /Values: \d+, \d+/)
      const bytes = reply(page).locator('.byte')
      await until('seven fields', async () => await bytes.count() === 6 || bytes.count())
      await bytes.nth(3).hover()
      await reply(page).getByText('at address 1', { exact: true }).waitFor()
      await bytes.nth(0).focus()
      await page.keyboard.press('ArrowRight')
      await reply(page).locator('.explained').getByText('read input registers').waitFor()
      await shot('terminal-light')
    }
  },
  {
    name: 'fills and checks the CRC as one types, in both directions',
    async run({ page, open }) {
      await open('#terminal')
      await ready(page)
      const hex = page.getByLabel('Frame as hex')
      const check = page.locator('#terminal-check')
      await hex.fill('01 04 00 01 00')
      await check.getByText('1 byte is still missing').waitFor()
      assert.ok(await send(page).isDisabled())
      await hex.fill('01 04 00 01 00 02')
      await check.getByText('The CRC 20 0B is added').waitFor()
      await hex.blur()
      assert.equal(await hex.inputValue(), '01 04 00 01 00 02 20 0B')
      await hex.fill('01 04 00 01 00 02 20 0C')
      await check.getByText('Wrong CRC: it must be 20 0B').waitFor()
      await page.locator('.side').first().getByText('Wrong CRC: it must be 20 0B').waitFor()
      assert.equal(await page.getByText('no whole request').count(), 0)
      assert.ok(await send(page).isDisabled())
      await hex.fill('01 0g')
      await check.getByText('is not a hex digit').waitFor()
      await hex.fill('020300100003')
      assert.deepEqual([await page.getByLabel('Unit', { exact: true }).inputValue(), await page.getByLabel('Function').inputValue(), await page.getByLabel('Address', { exact: true }).inputValue(), await page.getByLabel('Quantity').inputValue()],
        ['2', '3', '16', '3'])
      await page.getByLabel('Function').selectOption('6')
      await page.getByLabel('Values').fill('21')
      assert.match(await hex.inputValue(), /^02 06 00 10 00 15 /)
      await page.getByLabel('Values').fill('70000')
      await check.getByText('-32768 to 65535').waitFor()
    }
  },
  {
    name: 'says exceptions, refusals and silence in words, in every form',
    async run({ page, open, shot }) {
      await open('#terminal')
      await ready(page)
      const hex = page.getByLabel('Frame as hex')
      for (const form of ['json', 'hex', 'binary']) {
        await page.getByLabel('Form of the payload').selectOption(form)
        await hex.fill('010400630001')
        await send(page).click()
        await reply(page).getByText('illegal data address', { exact: true }).waitFor()
        await reply(page).getByText('Exception 2', { exact: true }).waitFor()
        await hex.fill('010400010001')
        await send(page).click()
        await reply(page).getByText('OK', { exact: true }).waitFor()
      }
      await page.getByLabel('Form of the payload').selectOption('json')
      await hex.fill('010602000001')
      await send(page).click()
      await reply(page).getByText('No rule of this bus allows address 512').waitFor()
      await reply(page).getByText('In Modbus this is exception 2').waitFor()
      await reply(page).getByText('Denied', { exact: true }).waitFor()
      await page.locator('.history').nth(1).locator('.pick').first().getByText('Denied', { exact: true }).waitFor()
      await shot('terminal-exception')
      await hex.fill('010300000001')
      await send(page).click()
      await reply(page).getByText('Exception 2', { exact: true }).waitFor()
      await hex.fill('090300000001')
      await send(page).click()
      await reply(page).getByText('In Modbus this is exception 11').waitFor()
      await reply(page).getByText('No answer', { exact: true }).waitFor()
      await page.locator('.history').nth(1).locator('.pick').first().getByText('No answer', { exact: true }).waitFor()
      const unknown = await page.evaluate(async () => (await import('./explain.js')).verdictText({ code: 'timeout' }, 'unknown', 11))
      assert.equal(unknown, 'Unknown', 'of a write')
      await hex.fill('01060103000A')
      await send(page).click()
      await reply(page).getByText('OK', { exact: true }).waitFor()
    }
  },
  {
    name: 'keeps history and favourites over a reload, and repeats',
    async run({ page, open, shot }) {
      await open('#terminal/line/010300000001')
      await ready(page)
      assert.equal(await page.getByLabel('Frame as hex').inputValue(), '01 03 00 00 00 01 84 0A')
      await page.getByLabel('Frame as hex').fill('010400010001')
      await page.keyboard.press('Enter')
      await reply(page).getByText('OK', { exact: true }).waitFor()
      await page.getByRole('button', { name: '☆ Favourite' }).click()
      await page.keyboard.type('temperature')
      await page.reload()
      await ready(page)
      const history = page.locator('.history').nth(1)
      assert.equal(await history.locator('.pick').count(), 1)
      assert.equal(await page.getByPlaceholder('Give it a name').inputValue(), 'temperature')
      await page.getByLabel('Frame as hex').fill('010400020001')
      await page.getByLabel('Seconds between requests').fill('0.2')
      await page.getByRole('button', { name: 'Repeat every' }).click()
      await until('four requests', async () => await history.locator('.pick').count() >= 4)
      await page.getByRole('button', { name: 'Stop' }).click()
      await page.locator('.favourite .pick').click()
      assert.equal(await page.getByLabel('Frame as hex').inputValue(), '01 04 00 01 00 01 60 0A')
      await history.locator('.pick').last().click()
      await reply(page).getByText('OK', { exact: true }).waitFor()
      await shot('terminal-history')
      await page.getByRole('button', { name: 'Clear' }).click()
      await page.getByText('What you send is listed here').waitFor()
    }
  },
  {
    name: 'copies a request as commands and code',
    async run({ page, open, demo }) {
      await open('#terminal')
      await ready(page)
      await page.getByLabel('Frame as hex').fill('010400010002200B')
      await page.getByLabel('Form of the payload').selectOption('hex')
      const notices = page.locator('.notice')
      const copied = async (name) => {
        await page.getByRole('button', { name, exact: true }).click()
        await page.getByText('Copied').waitFor()
        return page.evaluate(() => navigator.clipboard.readText())
      }
      const client = await page.evaluate(() => JSON.parse(localStorage.getItem('modferry:modferry/demo:name')))
      const port = new URL(demo.mqtt.replace('mqtt:', 'http:')).port
      const asks = `mosquitto_rr -h 127.0.0.1 -p ${port} -t modferry/demo/bus/line/request/${client} -e modferry/demo/bus/line/response/${client} -m `
      assert.equal(await copied('mosquitto'), asks + '010400010002200B')
      await page.getByLabel('Form of the payload').selectOption('json')
      const command = await copied('mosquitto')
      assert.equal(command, asks + `'{"frame":"010400010002200B"}'`, 'without an id, whose answer would be remembered')
      assert.match(execFileSync('sh', ['-c', command], { encoding: 'utf8', timeout: 20000 }), /"ok":true/)
      assert.equal(await copied('modferry send'), `modferry send --broker ${demo.mqtt} --gateway demo --bus line "01 04 00 01 00 02 20 0B"`)
      assert.match(await copied('JavaScript'), /gateway\.bus\("line"\)\.request\('010400010002200B'\)/)
      assert.equal(await notices.count(), 1, 'one notice at a time')
      await page.getByRole('link', { name: 'Readings' }).click()
      await until('no notice of another tab', async () => await notices.count() === 0)
    }
  },
  {
    name: 'works on a phone in Chinese and in the dark',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot }) {
      await open('#terminal')
      await ready(page)
      await page.getByRole('button', { name: '发送', exact: true }).click()
      await reply(page).getByText('正常').waitFor()
      await reply(page).locator('.byte').nth(1).click()
      await reply(page).getByText('读输入寄存器', { exact: true }).waitFor()
      assert.match(await page.locator('.side').first().locator('.byte').nth(3).textContent(), /数量 \d+，要读取的输入寄存器/)
      await shot('terminal-phone-dark-zh')
      await page.getByLabel('十六进制报文').fill('010400630001')
      await page.getByRole('button', { name: '发送', exact: true }).click()
      await reply(page).getByText('非法数据地址', { exact: true }).waitFor()
      await shot('terminal-phone-exception-zh')
    }
  }
]
