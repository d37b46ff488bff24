// build.mjs makes what is published of src: modferry.mjs, an ES module in one file, and the
// same for require. "node build.mjs --check" changes nothing and fails if they are stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

const at = (file) => new URL(file, import.meta.url)
const source = (file) => readFileSync(at('src/' + file), 'utf8')
const index = source('index.mjs')
const seen = new Set()
const names = []

// bodyOf returns a module after those it imports, each once, without imports and exports.
function bodyOf(file) {
  if (seen.has(file)) return ''
  seen.add(file)
  const text = source(file)
  const before = Array.from(text.matchAll(/^import .* from '\.\/(.+)'$/gm), (found) => bodyOf(found[1]))
  const own = text.replace(/^import .*\n/gm, '').replace(/^export /gm, '').trim()
  return before.join('') + '\n// ---- ' + basename(file, '.mjs') + '\n\n' + own + '\n'
}

let body = ''
for (const [, exported, file] of index.matchAll(/^export \{ (.*) \} from '\.\/(.+)'$/gm)) {
  names.push(...exported.split(', '))
  body += bodyOf(file)
}
const head = index.slice(0, index.indexOf('\n\n')) + '\n//\n// Made from src by build.mjs.\n'
const commonJS = head + "'use strict'\n" + body + '\nmodule.exports = { ' + names.join(', ') + ' }\n'
const outputs = {
  'modferry.mjs': head + body + '\nexport { ' + names.join(', ') + ' }\n',
  'modferry.cjs': commonJS,
  'miniprogram_dist/index.js': commonJS // where the developer tools of WeChat look
}

const check = process.argv.includes('--check')
for (const [file, text] of Object.entries(outputs)) {
  let now = ''
  try {
    now = readFileSync(at(file), 'utf8')
  } catch {
    // not made yet
  }
  if (now === text) continue
  if (check) {
    console.error(file + ' is stale: run "node build.mjs" in examples/client')
    process.exitCode = 1
    continue
  }
  mkdirSync(dirname(at(file).pathname), { recursive: true })
  writeFileSync(at(file), text)
}
