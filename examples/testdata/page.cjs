// Opens the web page in chromium, as a person does: node page.cjs CHROMIUM URL PROFILE
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { chromium } = createRequire(join(__dirname, '../../gateway/console/testdata/browser/package.json'))('playwright-core')

async function main () {
  const [executablePath, url, profile] = process.argv.slice(2)
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(15000)
    page.on('pageerror', (error) => console.log('error', error.message))
    page.on('console', (m) => console.log('console', m.text()))
    await page.goto(url)
    const text = (id, pattern) => page.waitForFunction(([id, p]) => new RegExp(p).test(document.getElementById(id).textContent), [id, pattern])
      .then(() => page.textContent('#' + id))
    console.log('state', await text('state', 'online'))
    console.log('temperature', await text('temperature', '°C'))
    console.log('quality', await page.getAttribute('#temperature', 'class'))
    for (const frame of ['01 04 00 01 00 02', '010600010000', '01040']) {
      await page.fill('#frame', frame)
      await page.click('button')
      console.log('reply', JSON.stringify(await text('reply', '^(?!waiting$).')))
    }
  } finally {
    await browser.close()
  }
}

main().catch((error) => { console.log('failed', error.message); process.exitCode = 1 })
