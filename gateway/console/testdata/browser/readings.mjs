// Readings: live values, charts that survive a reload, setting.

import assert from 'node:assert/strict'
import { until } from './harness.mjs'

const reading = (page, name) => page.locator(`[data-reading="sensor/${name}"]`)
const valueOf = async (page, name) => (await reading(page, name).locator('.value').textContent()).trim()

// samples returns how many a reading has in this browser's database.
const samples = (page, name) => page.evaluate((name) => new Promise((resolve) => {
  const open = indexedDB.open('modferry', 1)
  open.onsuccess = () => {
    const kept = open.result.transaction('series').objectStore('series').get('modferry/demo modferry/demo/device/sensor/' + name)
    kept.onsuccess = () => {
      open.result.close()
      resolve(kept.result ? kept.result.fine.times.length : 0)
    }
  }
}), name)

export default [
  {
    name: 'shows values as they come, with age and quality',
    async run({ page, open, shot, demo }) {
      await open('#readings')
      await until('a temperature', async () => /^-?\d+(\.\d)? °C$/.test(await valueOf(page, 'temperature')) || valueOf(page, 'temperature'))
      await reading(page, 'temperature').getByText('Good').waitFor()
      await page.locator('[data-device="sensor"] .badge.good').first().waitFor()
      const first = await valueOf(page, 'temperature')
      await until('another temperature', async () => await valueOf(page, 'temperature') !== first)
      assert.match(await reading(page, 'temperature').locator('.age').textContent(), /^\d s$/)
      assert.match(await page.locator('[data-device="sensor"] .where').textContent(), /XY-MD02.*bus line, unit 1/)
      await shot('readings-light')
    }
  },
  {
    name: 'keeps its charts over a reload',
    async run({ page, open, shot }) {
      await open('#readings')
      await page.locator('.uplot canvas').first().waitFor()
      assert.equal(await page.locator('.uplot').count(), 2, 'a chart for °C and one for %')
      await until('samples in the database', async () => await samples(page, 'temperature') >= 2)
      const before = await samples(page, 'temperature')
      await page.reload()
      await page.locator('.uplot canvas').first().waitFor()
      const kept = () => page.evaluate(() => document.getElementById('tab-readings').panel.samples('modferry/demo/device/sensor/temperature'))
      await until(before + ' samples after the reload', async () => await kept() >= before || kept())
      assert.equal(await page.locator('.uplot').count(), 2)
      await page.getByRole('button', { name: 'Show correction in the chart' }).click()
      await page.getByRole('button', { name: 'Show humidity in the chart' }).click()
      await page.getByRole('combobox', { name: 'Time shown' }).selectOption('3600')
      await page.reload()
      await page.locator('.uplot canvas').first().waitFor()
      assert.equal(await page.locator('.uplot').count(), 1, 'temperature and correction have one')
      assert.equal(await page.getByRole('combobox', { name: 'Time shown' }).inputValue(), '3600')
      assert.equal(await page.getByRole('button', { name: 'Show correction in the chart' }).getAttribute('aria-pressed'), 'true')
      await shot('readings-chart')
    }
  },
  {
    name: 'sets a value within its limits, and says why not beyond them',
    async run({ page, open, shot }) {
      await open('#readings')
      await until('the value', async () => /^-?\d/.test(await valueOf(page, 'correction')))
      assert.equal(await reading(page, 'temperature').getByRole('button', { name: 'Set' }).count(), 0)
      await page.getByRole('button', { name: 'Set correction' }).click()
      const form = reading(page, 'correction').locator('form')
      await form.getByText('-10 to 10 °C').waitFor()
      const entry = form.getByRole('spinbutton')
      assert.ok(await entry.evaluate((element) => element === document.activeElement))
      await entry.fill('1.5')
      await entry.press('Enter')
      await form.getByText('Set to 1.5 °C.').waitFor()
      await until('the reading itself', async () => await valueOf(page, 'correction') === '1.5 °C' || valueOf(page, 'correction'))
      await shot('readings-set')
      await entry.fill('11')
      await form.getByRole('button', { name: 'Write' }).click()
      await form.getByText(/Not written:.*it must be -10 to 10 °C/).waitFor()
      await entry.fill('0')
      await entry.press('Enter')
      await form.getByText('Set to 0 °C.').waitFor()
    }
  },
  {
    name: 'shows what is stale when the device is silent, on a phone in the dark, in Chinese',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot, base }) {
      await open('#readings')
      await reading(page, 'temperature').getByText('正常').waitFor()
      await shot('readings-phone-dark-zh')
      await fetch(base + 'simulator/faults', { method: 'POST', body: JSON.stringify({ name: 'off', drop: 'request' }) })
      try {
        await reading(page, 'temperature').getByText('过期').waitFor()
        await page.locator('[data-device="sensor"]').getByText('离线').waitFor()
        await page.getByRole('button', { name: '设置 correction' }).click()
        await shot('readings-phone-stale-zh')
      } finally {
        await fetch(base + 'simulator/faults', { method: 'DELETE' })
      }
      await reading(page, 'temperature').getByText('正常').waitFor()
    }
  },
  {
    name: 'writes into the document once in a frame, however many messages come',
    async run({ page, open }) {
      await open('#readings')
      await until('a temperature', async () => /^-?\d/.test(await valueOf(page, 'temperature')))
      const [frames, shown] = await page.evaluate(() => new Promise((resolve) => {
        const { panel } = document.getElementById('tab-readings')
        const before = panel.frames
        const value = document.querySelector('[data-reading="sensor/temperature"] .value')
        for (let i = 0; i < 1000; i++) {
          const text = JSON.stringify({ value: 10 + i / 1000, unit: '°C', quality: 'good', time: new Date().toISOString() })
          panel.take({ topic: 'modferry/demo/device/sensor/temperature', text, json: JSON.parse(text), at: Date.now() })
        }
        const atOnce = value.textContent
        requestAnimationFrame(() => requestAnimationFrame(() => resolve([panel.frames - before, [atOnce, value.textContent]])))
      }))
      assert.ok(frames >= 1 && frames <= 2, frames + ' frames')
      assert.ok(!shown[0].startsWith('10.'), 'nothing is written at once')
      assert.ok(shown[1].startsWith('10.999'), shown[1])
    }
  },
  {
    name: 'has a field that fits what is set, and says what became of it',
    async run({ page, open, shot }) {
      await open('#readings')
      await reading(page, 'temperature').waitFor()
      // form shows the field of a reading in place of the tab, before a gateway that answers as given.
      const form = (type, content, set, answer) => page.evaluate(async ([type, content, set, answer]) => {
        const { setForm } = await import('./set.js')
        const usual = { topic: 'set', result: 'result', min: null, max: null, step: 0, names: null, flags: false, count: 1 }
        let listener
        window.sent = null
        const connection = {
          phase: 'online',
          subscribe(topic, callback) { listener = callback; return Object.assign(() => {}, { granted: Promise.resolve(true) }) },
          publish(topic, payload) {
            window.sent = JSON.parse(payload)
            listener({ json: { id: 'of another', ok: true, value: 'not this one' } })
            listener({ json: { id: window.sent.id, value: window.sent.value, ...answer } })
          }
        }
        const row = { content, reading: { type, unit: '', set: { ...usual, ...set } } }
        const title = Object.assign(document.createElement('h1'), { textContent: 'Set' })
        document.getElementById('tab-readings').replaceChildren(title, setForm({ connection, signal: new AbortController().signal }, row, 'it'))
      }, [type, content, set, answer])
      const done = { ok: true, outcome: 'done' }
      const write = () => page.getByRole('button', { name: 'Write' }).click()
      const sends = (value) => until('sent ' + JSON.stringify(value), async () => {
        const sent = await page.evaluate(() => window.sent)
        return sent !== null && JSON.stringify(sent.value) === JSON.stringify(value) || sent
      })

      await form('bool', true, { min: 0, max: 1 }, done)
      assert.equal(await page.getByRole('combobox', { name: 'New value of it' }).inputValue(), 'true')
      await page.getByRole('combobox', { name: 'New value of it' }).selectOption('Off')
      await write()
      await sends(false)
      await form('uint16', 'heat', { names: ['off', 'heat'] }, done)
      await page.getByRole('combobox', { name: 'New value of it' }).selectOption('off')
      await write()
      await sends('off')
      await page.getByText('Set to off.').waitFor()
      await form('uint16', ['pump'], { names: ['pump', 'fan'], flags: true }, done)
      await page.getByRole('checkbox', { name: 'fan' }).check()
      await write()
      await sends(['pump', 'fan'])
      await form('int16', [1, 2, 3], { count: 3 }, done)
      assert.equal(await page.getByRole('textbox').inputValue(), '1 2 3')
      await page.getByRole('textbox').fill('1, 2')
      await write()
      await page.getByText('This is no value of the reading.').waitFor()
      await page.getByRole('textbox').fill('7, 8; -9.5')
      await write()
      await sends([7, 8, -9.5])
      await form('string', 'line 1', { count: 8 }, done)
      await page.getByRole('textbox').fill('line 2')
      await write()
      await sends('line 2')
      await form('uint32', 5, { min: 0, max: 10 }, { ok: false, outcome: 'unknown', error: { code: 'timeout', message: 'unit 1 did not answer' } })
      await page.getByRole('spinbutton').fill('7')
      await write()
      await page.getByText('It may have been written; read the value before you write again: unit 1 did not answer').waitFor()
      await shot('readings-unknown')
    }
  },
  {
    name: 'finds a reading among two hundred, which change all at once',
    async run({ page, open, shot }) {
      await open('#readings')
      await reading(page, 'temperature').waitFor()
      // many mounts the tab with a view of its own, and tells it messages.
      const found = await page.evaluate(async () => {
        const { mount } = await import('./readings.js')
        const { Store } = await import('./store.js')
        const devices = Array.from({ length: 20 }, (_, d) => ({
          name: 'meter' + d, title: '', model: '', bus: 'b', unit: d, payload: 'json', status: 'p/device/meter' + d + '/status',
          readings: Array.from({ length: 10 }, (_, r) => ({
            name: 'reading' + r, title: '', unit: 'V', type: 'int16', quantity: 1, topic: 'p/device/meter' + d + '/reading' + r, set: null
          }))
        }))
        const connection = { subscribe: () => () => {} }
        const root = document.getElementById('tab-readings')
        root.replaceChildren()
        mount(root, { view: { prefix: 'p', devices }, connection, store: new Store('p'), signal: new AbortController().signal })
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
        await frame()
        const before = root.panel.frames
        for (let i = 1; i <= 5; i++) {
          for (const { readings } of devices) {
            for (const { topic } of readings) root.panel.take({ topic, json: { value: i, quality: 'good', time: new Date(Date.now() + i).toISOString() }, at: Date.now() })
          }
        }
        await frame()
        await frame()
        return [root.panel.frames - before, [...root.querySelectorAll('.reading .value')].filter((value) => value.textContent === '5 V').length]
      })
      assert.ok(found[0] <= 3, '1000 messages are written in ' + found[0] + ' frames')
      assert.equal(found[1], 200)
      await page.getByRole('searchbox').fill('meter7')
      assert.equal(await page.locator('.reading:visible').count(), 10)
      await page.getByRole('searchbox').fill('METER7 READING3')
      assert.equal(await page.locator('.reading:visible').count(), 1)
      await shot('readings-search')
    }
  },
  {
    name: 'keeps a bounded number of samples, the older ones one a minute',
    async run({ page, open }) {
      await open()
      const [length, first, last, gaps] = await page.evaluate(async () => {
        const { Series } = await import('./history.js')
        const series = new Series()
        for (let second = 1; second <= 199990; second++) series.add(second, second % 5000 < 10 ? null : second)
        series.add(3, 3) // is too late
        const [times, values] = series.since(0)
        return [series.length, times[0], values.at(-1), times.every((time, i) => i === 0 || time > times[i - 1])]
      })
      assert.ok(length > 2000 && length < 2500, length + ' samples')
      assert.ok(first > 100000, 'the first is of ' + first)
      assert.equal(last, 199990)
      assert.ok(gaps, 'in their order')
    }
  }
]
