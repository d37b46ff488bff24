// The project as the developer tools see it.

import assert from 'node:assert'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packages } from '../build.mjs'
import { root } from './place.mjs'

const read = (path) => readFileSync(join(root, path), 'utf8')
const json = (path) => JSON.parse(read(path))
const project = json('project.config.json')

// uploaded lists the files that the developer tools put into the app.
function uploaded(folder = '') {
  const ignored = (path) => project.packOptions.ignore.some(({ type, value }) => (type === 'suffix' ? path.endsWith(value) : path === value))
  return readdirSync(join(root, folder)).map((name) => join(folder, name)).filter((path) => !ignored(path) && !/(^|\/)\./.test(path))
    .flatMap((path) => (statSync(join(root, path)).isDirectory() ? uploaded(path) : [path]))
}

test('each page is complete, and each of its handlers exists', () => {
  for (const page of json('app.json').pages) {
    json(page + '.json')
    const code = read(page + '.js')
    for (const [, handler] of read(page + '.wxml').matchAll(/bind\w+="(\w+)"/g)) assert.match(code, new RegExp(`^  ${handler}\\(`, 'm'), `${page}: ${handler}`)
  }
  json(json('app.json').sitemapLocation)
})

test('what is uploaded is the app, and not too large', () => {
  assert.strictEqual(project.appid, 'touristappid')
  const files = uploaded()
  assert.deepStrictEqual(files.filter((path) => !/^(app\.|sitemap\.|project\.|libs\/|pages\/|miniprogram_npm\/)/.test(path)), [])
  for (const name of [...Object.keys(packages), 'modferry-client']) assert.ok(files.includes(`miniprogram_npm/${name}/index.js`))
  const bytes = files.reduce((sum, path) => sum + statSync(join(root, path)).size, 0)
  assert.ok(bytes < 2 * 1024 * 1024, `${bytes} bytes: WeChat takes 2 MiB`)
})

test('the packages are pinned', () => {
  const { devDependencies, dependencies } = json('package.json')
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^(npm:mqtt@)?\d+\.\d+\.\d+$/, name)
  // The menu entry "Build npm" would make others of them: it takes dependencies only.
  assert.strictEqual(dependencies, undefined)
})
