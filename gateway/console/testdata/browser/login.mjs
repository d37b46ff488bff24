// The login of a gateway with users.

import assert from 'node:assert/strict'

const guarded = (demo) => demo.guarded
const refused = /status of 401/ // the wrong password

export default [
  {
    name: 'lets in who has the password, to the broker as well, and out again',
    base: guarded, console: refused,
    async run({ page, open, shot, context }) {
      await open()
      await page.getByLabel('User').fill('ann')
      await page.getByLabel('Password').fill('wrong')
      await page.keyboard.press('Enter')
      await page.getByText('User or password is wrong.').waitFor()
      await shot('login')
      await page.getByLabel('Password').fill('s3cret')
      await page.keyboard.press('Enter')
      await page.locator('#connection[data-state="online"]').waitFor()
      const cookies = await context.cookies()
      assert.deepEqual(cookies.map((one) => [one.httpOnly, one.sameSite]), [[true, 'Strict']])
      await page.reload()
      await page.locator('#connection[data-state="online"]').waitFor()
      for (const bus of ['line', 'router', 'fixed']) { // topics and payloads of each kind
        await page.getByLabel('Bus').selectOption(bus)
        await page.getByRole('button', { name: 'Send', exact: true }).click()
        await page.locator('.side').nth(1).getByText('OK', { exact: true }).waitFor()
        assert.match(await page.locator('.values').textContent(), /Values: \d+, \d+/)
      }
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByLabel('Password').waitFor()
      assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes('s3cret')), false)
    }
  },
  {
    name: 'calls itself as its user, by whom the broker’s rules go, and says what else would not work',
    base: guarded, console: refused,
    async run({ page, open, shot }) {
      await open()
      await page.getByLabel('User').fill('panel')
      await page.getByLabel('Password').fill('knob')
      await page.keyboard.press('Enter')
      await page.locator('#connection[data-state="online"]').waitFor()
      const reply = page.locator('.side').nth(1)
      await page.getByRole('button', { name: 'Send', exact: true }).click()
      await reply.getByText('OK', { exact: true }).waitFor()
      const copied = async (name) => {
        await page.getByRole('button', { name, exact: true }).click()
        await page.getByText('Copied').waitFor()
        return page.evaluate(() => navigator.clipboard.readText())
      }
      assert.match(await copied('mosquitto'), / -u panel .*request\/panel -e \S*response\/panel /)
      assert.match(await copied('modferry send'), /--username panel --password-file FILE "/)
      assert.match(await copied('JavaScript'), /client: "panel"/)
      await page.getByRole('link', { name: 'Connect', exact: true }).click()
      assert.equal(await page.getByLabel('Name of your app').inputValue(), 'panel')
      await page.getByRole('button', { name: 'Check', exact: true }).click()
      await page.getByText('Everything works.').waitFor()
      await page.locator('#connection').click()
      await page.getByLabel('Name of this page as a client').fill('desk')
      await page.getByRole('button', { name: 'Connect', exact: true }).click()
      await page.locator('#connection[data-state="online"]').waitFor()
      await page.getByRole('link', { name: 'Terminal' }).click()
      assert.match(await copied('modferry send'), /--client desk "/)
      await page.getByRole('button', { name: 'Send', exact: true }).click()
      await reply.getByText(/subscribe to \S+response\/desk\. Its last level is “Name of this page as a client”/).waitFor()
      await shot('terminal-other-name')
      await page.locator('#connection').click()
      await page.getByLabel('Name of this page as a client').fill('')
      await page.getByRole('button', { name: 'Connect', exact: true }).click()
      await page.getByText('request/panel').first().waitFor()
    }
  },
  {
    name: 'asks for the broker’s own user where it is another one',
    base: guarded, language: 'zh', theme: 'dark', width: 360, height: 740,
    async run({ page, open, shot }) {
      await open()
      await page.getByLabel('用户名').fill('eve')
      await page.getByLabel('密码').fill('evening')
      await shot('login-phone-dark-zh')
      await page.getByRole('button', { name: '登录' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByText(/用户名或密码错误|它认识的用户/).waitFor()
      await shot('connection-phone-dark-zh')
      await page.keyboard.press('Escape')
      await page.getByRole('link', { name: '接入' }).click()
      await page.getByRole('button', { name: '检查', exact: true }).click()
      await page.locator('[data-step="login"][data-state="bad"]').getByText(/用户名或密码错误|它认识的用户/).waitFor()
      await page.getByRole('button', { name: '更改连接' }).click()
      await dialog.getByLabel('用户名', { exact: true }).fill('app')
      await dialog.getByLabel('密码').fill('other')
      await dialog.getByRole('button', { name: '连接' }).click()
      await page.locator('#connection[data-state="online"]').waitFor()
      await page.getByRole('button', { name: '检查', exact: true }).click()
      await page.getByText('一切正常').waitFor()
    }
  }
]
