// What the tests of the console have in common. A test is an object:
//
//   name      what a person does and sees
//   run       async ({page, demo, own, open, shot, note, context}) => {}; it throws what is wrong
//   width, height, language ('en'), theme ('light')   of the browser
//   base      address of another gateway, a function of demo; default: the demo's
//   own       starts a demo for this test alone, see startDemo; it is stopped at the end
//   console   a pattern of messages of the browser's console that are expected
//
// note(text) writes a figure into the test's log. page is Playwright's, demo what "modferry demo --json" says. open(address) goes to a part of the
// page ('#terminal'). shot(name) checks accessibility, and takes a picture where
// SCREENSHOTS is set.
//
// Each test fails on its own when the page writes an error or a warning to the browser's
// console, asks for anything from another host, or is wider than the window.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const PATIENCE = 20000 // ms for what should come at once; a busy machine takes its time

export async function runTest(browser, demo, test, note) {
  const { width = 1280, height = 800, language = 'en', theme = 'light' } = test
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: theme, locale: language === 'zh' ? 'zh-CN' : 'en-GB', reducedMotion: 'reduce'
  })
  context.setDefaultTimeout(PATIENCE)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const own = test.own ? await test.own(demo) : null
  const base = own?.http || test.base?.(demo) || demo.http
  const troubles = []
  const page = await context.newPage()
  watch(page, new URL(base).host, test.console, troubles)
  try {
    await test.run({
      page, demo, own, context, base, note,
      open: (address = '') => page.goto(base + address),
      shot: (name) => shot(page, name)
    })
    assert.deepEqual(troubles, [], 'what the browser says')
    await fits(page)
  } catch (error) {
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, 'failed-' + test.name.replace(/\W+/g, '-') + '.png') })
    if (troubles.length > 0) error.stack += '\nThe browser says: ' + troubles.join('\n')
    throw error
  } finally {
    await context.close()
    await own?.stop()
  }
}

function watch(page, host, expected, troubles) {
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type()) || expected?.test(message.text())) return
    troubles.push(message.type() + ': ' + message.text() + ' ' + message.location().url)
  })
  page.on('pageerror', (error) => troubles.push('exception: ' + error.stack))
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).hostname !== '127.0.0.1') troubles.push('connects to another host: ' + socket.url())
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (!['data:', 'blob:', 'about:'].includes(url.protocol) && url.host !== host) troubles.push('asks another host: ' + url)
  })
}

// fits: nothing makes the page scroll sideways.
async function fits(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  assert.ok(content <= window, `the page is ${content} px wide in a window of ${window} px`)
}

async function shot(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, name + '.png') })
  await fits(page)
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  const found = violations.map((v) => `${v.id} (${v.help}): ` + v.nodes.slice(0, 3).map((n) => n.html + ' ' + n.failureSummary).join('; '))
  assert.deepEqual(found, [], 'accessibility of ' + name)
}

// startDemo starts another "modferry demo" and resolves with what it says, and stop().
export async function startDemo(demo, http = ':0') {
  const child = spawn(demo.binary, ['demo', '--json', '--mqtt', ':0', '--modbus', ':0', '--http', http], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  const [line] = await Promise.race([once(child.stdout, 'data'), ended.then(() => { throw new Error('the demo has ended') })])
  return { ...JSON.parse(line), stop: () => (child.kill(), ended) }
}

// until waits for something to hold, and says what it was not.
export async function until(what, holds) {
  const end = Date.now() + PATIENCE
  for (let last; ;) {
    last = await holds()
    if (last === true) return
    if (Date.now() > end) throw new Error('not in time: ' + what + (last === false ? '' : ', got ' + JSON.stringify(last)))
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}
