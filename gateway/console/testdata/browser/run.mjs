// Runs the tests of the console in a headless chromium:
//
//   node run.mjs DEMO CHROMIUM FILE...
//
// DEMO is the JSON line of "modferry demo --json". A file exports default an array of
// tests, see harness.mjs. For each test a line of JSON goes to stdout: name, ok, error,
// notes, ms. SCREENSHOTS, a folder, gets the pictures that tests take; ONLY, a part of a name,
// picks tests.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { chromium } from 'playwright-core'
import { runTest, startDemo } from './harness.mjs'

const [, , demoText, executablePath, ...files] = process.argv
const demo = JSON.parse(demoText)
const profile = await mkdtemp(join(tmpdir(), 'modferry-console-'))
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--disk-cache-dir=' + profile,
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost'
  ]
})
try {
  // Those that move the device have a demo of their own, and go beside the others.
  const moving = files.filter((file) => /^(device|line|readings)\./.test(file))
  const other = moving.length > 0 ? await startDemo(demo) : null
  await Promise.all([run(moving, { ...demo, ...other }), run(files.filter((file) => !moving.includes(file)), demo)])
  await other?.stop()
} finally {
  await browser.close()
  await rm(profile, { recursive: true, force: true })
}
process.exit() // whatever a failed test has left open

async function run(files, demo) {
  for (const file of files) {
    const { default: tests } = await import(resolve(file))
    for (const test of tests) {
      const name = basename(file, '.mjs') + '/' + test.name
      if (process.env.ONLY && !name.includes(process.env.ONLY)) continue
      const begun = Date.now()
      let error
      const notes = []
      try {
        await runTest(browser, demo, test, (text) => notes.push(text))
      } catch (problem) {
        error = problem.stack || String(problem)
      }
      console.log(JSON.stringify({ name, ok: !error, error, notes, ms: Date.now() - begun }))
    }
  }
}
