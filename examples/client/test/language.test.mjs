// The files that are published run where there is nothing but the language as of 2017.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import vm from 'node:vm'
import { parse } from 'acorn'
import typescript from 'typescript'

const source = (file) => readFileSync(new URL('../' + file, import.meta.url), 'utf8')

test('the syntax is that of 2017', () => {
  parse(source('modferry.mjs'), { ecmaVersion: 2017, sourceType: 'module' })
  for (const file of ['modferry.cjs', 'miniprogram_dist/index.js']) parse(source(file), { ecmaVersion: 2017, sourceType: 'script' })
  assert.doesNotMatch(source('modferry.mjs'), /\beval\b|\bFunction\(|\bimport\(|\bawait\b|\basync\b/)
})

// bare runs a program beside the module in a realm that has the language, less what came
// later, and timers.
function bare(program, translate = (text) => text) {
  const later = {
    Array: ['flat', 'flatMap', 'at', 'findLast', 'findLastIndex', 'toSorted', 'toReversed', 'with', 'toSpliced'],
    String: ['trimStart', 'trimEnd', 'matchAll', 'replaceAll', 'at'],
    Promise: ['finally']
  }
  const statics = { Object: ['fromEntries', 'hasOwn', 'groupBy'], Promise: ['allSettled', 'any', 'withResolvers'] }
  let strip = 'delete globalThis.BigInt;delete globalThis.console;delete globalThis.WebAssembly;delete globalThis.WeakRef;'
  for (const [name, gone] of Object.entries(later)) for (const one of gone) strip += `delete ${name}.prototype.${one};`
  for (const [name, gone] of Object.entries(statics)) for (const one of gone) strip += `delete ${name}.${one};`
  strip += 'for (const one of ["at", "findLast", "findLastIndex", "toSorted", "toReversed", "with"]) delete Object.getPrototypeOf(Uint8Array).prototype[one];'
  const context = vm.createContext({ module: {}, setTimeout, clearTimeout })
  vm.runInContext(strip + 'delete globalThis.globalThis;', context)
  vm.runInContext(translate(source('modferry.cjs')), context, { filename: 'modferry.cjs' })
  return vm.runInContext(program, context)
}

// program is what an app does.
const program = `(() => {
    const m = module.exports
    const sent = []
    let arrive
    const adapter = {
      connected: () => true,
      publish: (topic, payload) => { sent.push(payload) },
      subscribe: () => Promise.resolve(),
      onMessage: (f) => { arrive = f },
      onConnection: () => {}
    }
    const gateway = m.connect(adapter, { gateway: 'demo', client: 'mini' })
    const topic = 'modferry/demo/bus/line/response/mini'
    const asked = gateway.bus('line').request({ unit: 1, function: 4, address: 1, quantity: 2 })
    const answer = () => {
      if (!sent.length) return setTimeout(answer, 5)
      arrive(topic, Uint8Array.from(Array.from('{"id":"' + JSON.parse(sent[0]).id + '","ok":true,"values":[305,546],"frame":"010404013102222ACE"}', (c) => c.charCodeAt(0))))
    }
    answer()
    return asked.then((reply) => {
      gateway.close()
      let mistake
      try { m.bytes('01 0g') } catch (error) { mistake = (error instanceof m.ModferryError) + ' ' + error.code + ' ' + error.position }
      return [m.decode(reply.values, { scale: 0.1 }), m.hex(reply.frame), m.explain(reply.frame).length, m.text([226, 132, 131]), m.checkRequest('0104').message, mistake].join('|')
    })
  })()`

// toES5 does what bundlers of mini-programs may do.
const toES5 = (text) => typescript.transpileModule(text, { compilerOptions: { target: 'es5', downlevelIteration: true, module: 'none' } }).outputText

for (const [name, translate] of [['as it is', undefined], ['compiled to ES5', toES5]]) {
  test(`it needs no globals but timers, ${name}`, async () => {
    assert.equal(await bare(program, translate), '30.5|010404013102222ACE|6|℃|read input registers: 4 bytes are still missing|true hex 4')
  })
}

test('bytes of another realm are bytes', () => {
  const foreign = vm.runInNewContext('[Uint8Array.of(1, 4, 0, 1, 0, 2), Uint8Array.of(1, 4, 0, 1, 0, 2).buffer]')
  for (const data of foreign) assert.equal(bare('module.exports').hex(data), '010400010002')
})
