// The app as a person uses it.

import assert from 'node:assert'
import { describe, test } from 'node:test'
import { libraries, phone, place, start, until } from './place.mjs'

const online = (program) => until(() => program.page.text('connection') === 'Connected', () => program.page.text() + program.problems.join('\n'))

describe('the pages', { concurrency: 6 }, () => {
  for (const library of libraries) {
    test(`${library}: the retained temperature is there at once, with its age and quality, and on the chart`, async (t) => {
      const program = start(t, { phone: phone({ library }) })
      await online(program)
      await until(() => /^-?\d+(\.\d+)? °C$/.test(program.page.text('temperature')), () => program.page.text())
      assert.match(program.page.text(), /good, \d+ s ago/)
      await until(() => program.page.canvas.calls.some(([name]) => name === 'arc'), 'the chart is drawn')
      await until(() => program.page.text().includes('gateway online'), () => program.page.text())
      assert.deepStrictEqual(program.problems, [])
    })

    test(`${library}: a frame is sent in each form and QoS, and its reply explained`, async (t) => {
      const program = start(t, { phone: phone({ library }) })
      for (const qos of [0, 1, 2]) {
        await online(program)
        program.page.tap('settings')
        program.page.pick('qos', qos)
        program.page.tap('save')
        await online(program)
        for (const form of [0, 1, 2]) {
          program.page.pick('form', form)
          program.page.tap('send')
          assert.strictEqual(program.page.text('reply'), '')
          await until(() => program.page.text('replied'), 'there is a reply')
          assert.match(program.page.text('reply'), /^01 04 04( [0-9A-F]{2}){6}$/, program.page.text())
          assert.match(program.page.text(), /at address 1 \d+/)
        }
      }
      assert.deepStrictEqual(program.problems, [])
    })
  }
})
