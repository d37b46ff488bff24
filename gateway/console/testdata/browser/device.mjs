// Device: the virtual sensor's values, faults, clock, power and calls.

import assert from 'node:assert/strict'
import { until } from './harness.mjs'

const row = (page, name) => page.locator(`[data-value="${name}"]`)

// simulator asks the control itself.
const simulator = async (base, method, path, body) => {
  const answer = await fetch(base + 'simulator/' + path, { method, body: body && JSON.stringify(body) })
  return answer.status === 204 ? null : answer.json()
}

// anew leaves the device as it was.
const anew = async (base) => {
  await simulator(base, 'DELETE', 'faults')
  await simulator(base, 'DELETE', 'devices/1/values/temperature')
  await simulator(base, 'PUT', 'clock', { paused: false, speed: 1 })
}

export default [
  {
    name: 'moves a value with a slider and a field, and lets it go',
    console: /status of 400/, // of what the simulator refuses
    async run({ page, open, shot, base }) {
      await open('#device')
      const slider = row(page, 'temperature').getByRole('slider')
      await slider.waitFor()
      await row(page, 'temperature').getByText('Moves').waitFor()
      await slider.focus()
      await page.keyboard.press('Home')
      await row(page, 'temperature').getByText('Held').waitFor()
      await until('the coldest', async () => (await simulator(base, 'GET', 'devices/1/values/temperature')).value === -40)
      const entry = row(page, 'temperature').getByRole('spinbutton')
      await entry.fill('21.5')
      await entry.press('Enter')
      await until('what was typed', async () => (await simulator(base, 'GET', 'devices/1/values/temperature')).value === 21.5)
      assert.equal(await slider.inputValue(), '21.5')
      await shot('device-light')
      await page.getByRole('link', { name: 'Readings', exact: true }).click()
      await page.locator('[data-reading="sensor/temperature"]').getByText('21.5').waitFor()
      await page.getByRole('link', { name: 'Device', exact: true }).click()
      await row(page, 'temperature').getByRole('button', { name: 'Release' }).click()
      await row(page, 'temperature').getByText('Moves').waitFor()
      await entry.fill('99999')
      await entry.press('Enter')
      await page.locator('.notice.bad').waitFor()
      await anew(base)
    }
  },
  {
    name: 'adds faults of every kind and removes them',
    async run({ page, open, shot, base }) {
      await open('#device')
      const kind = page.getByLabel('What goes wrong')
      await kind.waitFor()
      const refused = ['bad_check'] // no line of the demo has a check code
      const kinds = await kind.locator('option').evaluateAll((all) => all.map((option) => option.value))
      await page.getByLabel('How often').selectOption('nth')
      await page.getByLabel('Number, or probability').fill('100000')
      for (const value of kinds.filter((value) => !refused.includes(value))) {
        await kind.selectOption(value)
        await page.getByRole('button', { name: 'Add', exact: true }).click()
      }
      await until('all of them', async () => await page.locator('.faults li').count() === 15 || page.locator('.faults li').count())
      await page.locator('.faults li').first().getByRole('button').click()
      await until('one less', async () => await page.locator('.faults li').count() === 14)
      await page.getByRole('button', { name: 'Remove all' }).click()
      await page.getByText('Nothing goes wrong.').waitFor()

      await kind.selectOption('exception')
      await page.getByText('More: units').click()
      await page.getByLabel('Name', { exact: true }).fill('busy')
      await page.getByLabel('At most so many requests').fill('2')
      await page.getByLabel('How often').selectOption('always')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      const busy = page.locator('[data-fault="busy"]')
      await busy.getByText('Over').waitFor()
      await shot('device-faults')
      await page.getByLabel('Name of a fault').fill('busy')
      await page.getByLabel('Name of a fault').press('Enter')
      await until('two calls', async () => await page.locator('.calls li').count() === 2 || page.locator('.calls li').count())
      assert.match(await page.locator('.calls li').first().textContent(), /busy.*Exception 6/)
      await busy.getByRole('button').click()
      await page.getByText('Nothing goes wrong.').waitFor()
      await anew(base)
    }
  },
  {
    name: 'pauses, steps and speeds up the clock, and switches the power',
    async run({ page, open, base }) {
      await open('#device')
      const clock = page.getByRole('region', { name: 'Clock and power' })
      await clock.getByRole('button', { name: 'Pause' }).click()
      await clock.getByText('Paused').waitFor()
      const before = Date.parse((await simulator(base, 'GET', 'clock')).now)
      await clock.getByLabel('Step by').selectOption('1h')
      await clock.getByRole('button', { name: 'Step' }).click()
      await until('an hour later', async () => Date.parse((await simulator(base, 'GET', 'clock')).now) - before === 3600000)
      await clock.getByLabel('Speed of the clock').selectOption('60')
      await clock.getByRole('button', { name: 'Go on' }).click()
      await clock.locator('.badge').getByText('× 60').waitFor()
      await clock.getByRole('button', { name: 'Power cycle' }).click()
      await page.getByText('The power was off and on again.').waitFor()
      await anew(base)
    }
  },
  {
    name: 'shows the calls, in the dark on a phone, in Chinese',
    width: 360, height: 740, language: 'zh', theme: 'dark',
    async run({ page, open, shot }) {
      await open('#device')
      await page.locator('.calls li').first().waitFor()
      await shot('device-phone-dark-zh')
    }
  }
]
