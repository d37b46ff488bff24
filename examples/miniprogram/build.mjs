// Build npm: makes miniprogram_npm/ from the official packages in node_modules/.
//
// The menu entry "Build npm" of the developer tools cannot do it: a mini-program hides WebSocket, localStorage
// and a few other names from every module, and the main file of MQTT.js is the one for Node.js. Here the text
// of each package stays as it was published; a line before it gives it those names, see libs/globals.js.
// modferry-client needs nothing and is copied, from the folder beside this one or, where this app has a
// place of its own, from node_modules ("npm install --save-dev PATH/examples/client").

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

// The names that the packages use and that modules of a mini-program do not see.
const names = ['WebSocket', 'localStorage', 'navigator', 'AbortController', 'AbortSignal', 'queueMicrotask', 'setImmediate', 'clearImmediate']

export const prologue = "var globals = require('../../libs/globals.js'), global = globals, globalThis = globals, self, window, document, location, process, " +
  names.map((name) => `${name} = globals.${name}`).join(', ') + ';\n'

// packages: name in miniprogram_npm, and the published file.
export const packages = {
  'paho-mqtt': 'paho-mqtt/paho-mqtt.js',
  mqtt: 'mqtt/dist/mqtt.min.js',
  'mqtt-5': 'mqtt-5/dist/mqtt.esm.js'
}

// official returns a package's published text.
export function official(name) {
  return readFileSync(here(`node_modules/${packages[name]}`), 'utf8')
}

// commonjs replaces the one export of an ES module, as the developer tools do with "ES6 to ES5".
function commonjs(text) {
  return text.replace(/export default (\w+\(\));/, 'module.exports = $1;')
}

function build() {
  rmSync(here('miniprogram_npm'), { recursive: true, force: true })
  for (const name in packages) {
    mkdirSync(here(`miniprogram_npm/${name}`), { recursive: true })
    writeFileSync(here(`miniprogram_npm/${name}/index.js`), prologue + commonjs(official(name)))
  }
  mkdirSync(here('miniprogram_npm/modferry-client'))
  const helper = ['node_modules/modferry-client', '../client'].map((folder) => here(`${folder}/miniprogram_dist/index.js`)).find(existsSync)
  if (!helper) throw new Error('modferry-client is not here: npm install --save-dev PATH/examples/client, with the PATH of the modferry repository')
  copyFileSync(helper, here('miniprogram_npm/modferry-client/index.js'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
