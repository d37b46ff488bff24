// Pages of the model in wx.mjs: their data, what is shown of it, and what a person does.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Wxml } from './wxml.mjs'

// OpenPage is a page on the screen, and what a person does with it.
export class OpenPage {
  constructor(program, route, page) {
    this.program = program
    this.canvas = new Canvas()
    this.wxml = new Wxml(readFileSync(join(program.root, route + '.wxml'), 'utf8'))
    this.instance = Object.assign({}, page, { route, data: program.inside(page.data || {}) })
    this.instance.setData = (change, done) => {
      for (const [path, value] of Object.entries(change)) {
        if (value === undefined) program.problems.push(`setData: ${path} is undefined`)
        this.instance.data[path] = program.inside(value)
      }
      if (done) setImmediate(() => program.enter(done))
    }
  }

  find(id) { return this.wxml.find(id, this.instance.data) }

  // text is what a person reads, of one element or of the page.
  text(id) { return this.wxml.text(id, this.instance.data) }

  _event(id, type, detail) {
    const node = this.find(id)
    if (!node) throw new Error(`there is no ${id} on ${this.instance.route}`)
    if (node.attributes.disabled) throw new Error(`${id} is disabled`)
    if (node.tag === 'navigator' && type === 'tap') return this.program._open(node.attributes.url)
    const handler = node.attributes['bind' + type]
    if (typeof this.instance[handler] !== 'function') throw new Error(`${id} has no handler for ${type}`)
    const dataset = {}
    for (const [key, value] of Object.entries(node.attributes)) if (key.startsWith('data-')) dataset[key.slice(5)] = value
    this.program._call(this.instance, handler, this.program.inside({ type, detail, currentTarget: { id, dataset }, target: { id, dataset } }))
  }

  tap(id) { this._event(id, 'tap', {}) }

  input(id, value) { this._event(id, 'input', { value }) }

  pick(id, index) { this._event(id, 'change', { value: String(index) }) }
}

// Canvas writes down what is drawn.
class Canvas {
  constructor() { this.calls = [] }

  getContext(type) {
    if (type !== '2d') return null
    const calls = this.calls
    return new Proxy({}, {
      get: (values, name) => (name in values ? values[name] : (...args) => { calls.push([name, ...args]) })
    })
  }
}
