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
      await shot('readings-light')
    }
  }
]
