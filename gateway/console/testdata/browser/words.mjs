// Both languages say the same: the same keys in the same order, and the same values in each text.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('../../page/', import.meta.url)
const read = async (file) => (await import('data:text/javascript,' + encodeURIComponent(readFileSync(new URL(file, folder), 'utf8')))).default
const values = (text) => (text.match(/\{\w+\}/g) || []).sort()

export default [
  {
    name: 'are the same in both languages, and every key that is used is there',
    async run() {
      const [en, zh] = [await read('words/en.js'), await read('words/zh.js')]
      assert.deepEqual(Object.keys(zh), Object.keys(en))
      for (const key of Object.keys(en)) assert.deepEqual(values(zh[key]), values(en[key]), key)
      for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
        for (const [, key] of readFileSync(new URL(file, folder), 'utf8').matchAll(/\bt\('([\w.]+)'[,)]/g)) {
          assert.ok(key in en, `${file} uses ${key}, which no language has`)
        }
      }
    }
  }
]
