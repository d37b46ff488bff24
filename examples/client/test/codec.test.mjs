// What needs no gateway: hex, check codes, frames and values, against the vectors that
// the Go packages agree with.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import * as modferry from 'modferry-client'

const { bytes, checkRequest, crc16, decode, encode, explain, hex, ModferryError, parseReply, parseRequest, request, text, withCRC } = modferry
const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'))
const named = (name) => vectors.frames.find((one) => one.name === name)

test('hex text is read as the gateway reads it', () => {
  for (const one of vectors.texts) {
    if (one.reason === undefined) {
      assert.equal(hex(bytes(one.text)), one.hex, one.text)
      continue
    }
    assert.throws(() => bytes(one.text), (error) => {
      assert.ok(error instanceof ModferryError)
      assert.equal(error.code, 'hex')
      assert.equal(error.position, one.position, one.text)
      assert.ok(error.message.startsWith(one.reason), `${error.message}, want ${one.reason}`)
      assert.match(error.message, /position|0x/)
      return true
    })
  }
  assert.equal(hex([1, 4, 255], ' '), '01 04 FF')
  assert.equal(hex(Uint8Array.of(1, 4).buffer), '0104')
})

test('UTF-8 is decoded without TextDecoder', () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for (const word of ['', 'abc', '21.5 °C', '温度', '😀', '\ufeffx']) {
    assert.equal(text(new TextEncoder().encode(word)), word)
  }
  for (const broken of [[0xff], [0xc3], [0xe2, 0x82], [0x80, 0x41], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    assert.match(text(Uint8Array.from(broken)), /\ufffd/)
    assert.match(decoder.decode(Uint8Array.from(broken)), /\ufffd/)
  }
})

test('frames of the shared table', () => {
  for (const one of vectors.frames) {
    const raw = bytes(one.frame)
    if (one.fault === '' || one.fault === undefined || one.fault === 'not allowed' || one.fault === 'wrong request') {
      assert.equal(hex(withCRC(raw.subarray(0, -2))), one.frame, one.name)
      assert.equal(crc16(raw), 0, one.name)
    }
    const code = { 'wrong check code': 'crc', 'wrong length': 'length', 'wrong request': 'invalid', 'not allowed': 'invalid' }[one.fault]
    if (code) assert.throws(() => parseRequest(raw), { name: 'ModferryError', code }, one.name)
    else if (!one.isReply) assert.equal(parseRequest(raw).unit, raw[0], one.name)
  }
})

test('requests are built, read and checked while they are typed', () => {
  let seen = 0
  for (const one of vectors.frames.filter((one) => one.request)) {
    seen++
    assert.equal(hex(request(one.request)), one.frame, one.name)
    const { name, write, quantity, ...fields } = parseRequest(one.frame)
    assert.deepEqual({ quantity, ...fields }, { quantity, ...one.request }, one.name)
    assert.equal(hex(request({ ...one.request, function: name.replaceAll('_', ' ') })), one.frame, one.name)
    assert.equal(write, ![1, 2, 3, 4].includes(fields.function), one.name)
    const bare = one.frame.slice(0, -4)
    for (const [typed, crc] of [[one.frame, 'good'], [bare, 'missing'], [bare + '0000', 'bad']]) {
      const checked = checkRequest(typed)
      assert.equal(checked.crc, crc, `${one.name}: ${typed}`)
      assert.equal(hex(checked.frame), one.frame, one.name)
    }
    for (let n = 0; n < bare.length; n++) {
      const checked = checkRequest(bare.slice(0, n))
      assert.equal(checked.frame, null, `${one.name}: ${bare.slice(0, n)}`)
      assert.ok(checked.message.length > 10)
    }
  }
  assert.ok(seen > 15, `${seen} requests`)
  assert.equal(checkRequest('01 04 0').position, 6)
  assert.match(checkRequest('010400010002200C').message, /must be 20 0B/)
  assert.match(checkRequest('0104000100').message, /1 byte is still missing/)
  assert.equal(checkRequest('010300000000').frame, null) // quantity 0
})

test('requests that no frame can hold name the key and the range', () => {
  for (const [fields, message] of [
    [null, /object/], [{}, /"unit" is missing/], [{ unit: 1 }, /"function" is missing/], [{ unit: 1, function: 'read' }, /not known/],
    [{ unit: 256, function: 4, address: 1 }, /"unit" is 256.*0 to 255/], [{ unit: 1, function: 4 }, /"address" is missing/],
    [{ unit: 1, function: 4, adress: 1 }, /"adress"/], [{ unit: 1, function: 4, address: 65536 }, /0 to 65535/],
    [{ unit: 1, function: 4, address: 1.5 }, /whole number/], [{ unit: 1, function: 4, address: 1, quantity: 126 }, /1 to 125/],
    [{ unit: 1, function: 3, address: 65535, quantity: 2 }, /beyond 65536/], [{ unit: 1, function: 4, address: 1, values: [1] }, /does not belong/],
    [{ unit: 1, function: 6, address: 1 }, /"values" is missing/], [{ unit: 1, function: 6, address: 1, values: [1, 2] }, /2 values/],
    [{ unit: 1, function: 6, address: 1, value: 65536 }, /-32768 to 65535/], [{ unit: 1, function: 5, address: 1, value: 2 }, /true or false/],
    [{ unit: 1, function: 16, address: 1, values: [] }, /0 values/], [{ unit: 1, function: 22, address: 1, values: [1] }, /takes 2/],
    [{ unit: 1, function: 16, address: 1, quantity: 3, values: [1] }, /takes 3/], [{ unit: 1, function: 43 }, /"data"/]
  ]) assert.throws(() => request(fields), (error) => error.code === 'invalid' && message.test(error.message) || assert.fail(error.message))
})

test('replies are read in the light of their request', () => {
  let seen = 0
  for (const one of vectors.frames.filter((one) => one.reply)) {
    seen++
    const reply = parseReply(one.frame, one.reply)
    assert.equal(reply.ok, true, one.name)
    assert.deepEqual(reply.values, one.values === undefined && one.name !== 'read FIFO queue' ? undefined : one.values || reply.values, one.name)
    for (const other of vectors.frames.filter((two) => two.reply && two.reply !== one.reply && two.frame.slice(0, 4) !== one.frame.slice(0, 4))) {
      assert.throws(() => parseReply(one.frame, other.reply), { code: 'mismatch' }, `${one.name} by ${other.name}`)
    }
  }
  assert.ok(seen > 20, `${seen} replies`)
  assert.deepEqual(parseReply({ unit: 1, function: 3, address: 0 }, '01830B00F7').exception.code, 11)
  assert.match(parseReply({ unit: 1, function: 3, address: 0 }, '01830AC137').exception.hint, /port/)
  assert.throws(() => parseReply({ unit: 1, function: 4, address: 1 }, named('read input registers').reply), { code: 'mismatch' }) // two registers for one
  assert.throws(() => parseReply({ unit: 1, function: 6, address: 1, value: 4 }, named('write single register').reply), { code: 'mismatch' })
  assert.throws(() => parseReply('010400010002200B', '010404013102222ACF'), { code: 'crc' })
})

test('every byte is explained as "modferry decode" explains it', () => {
  const same = (fields, want, name) => {
    assert.deepEqual(fields.map((one) => [one.from, one.name, one.value]), want.map((one) => [one.offset, one.name, one.value || '']), name)
    fields.forEach((one, i) => {
      assert.equal(one.to - one.from, want[i].bytes.split(' ').length, name)
      assert.ok(one.text.startsWith(want[i].meaning || ''), `${name}: ${one.text}, want ${want[i].meaning}`)
    })
  }
  let seen = 0
  for (const one of vectors.frames.filter((one) => one.fields)) {
    seen++
    same(explain(one.frame), one.fields, one.name)
    if (one.known) same(explain(one.reply, one.frame), one.known, one.name)
  }
  assert.ok(seen > 30, `${seen} frames`)
})

test('values in registers', () => {
  for (const one of vectors.values) {
    const how = { type: one.type, order: one.order }
    const exact = !one.type.endsWith('64') || one.type === 'float64' || Number.isSafeInteger(one.value)
    if (!exact) {
      assert.throws(() => decode(one.registers, how), { code: 'invalid' })
      continue
    }
    const value = decode(one.registers, how)
    assert.equal(value, one.value + 0, JSON.stringify(one)) // -0 is shown as 0
    if (value !== 0) assert.deepEqual(encode(value, how), one.registers, JSON.stringify(one))
  }
  assert.equal(decode([307], { scale: 0.1 }), 30.7)
  assert.equal(decode([0, 65336], { type: 'int16', at: 1, scale: 0.1 }), -20)
  assert.equal(decode([1234], { scale: 0.001, decimals: 1 }), 1.2)
  assert.deepEqual(encode(-20, { type: 'int16', scale: 0.1 }), [65336])
  for (const [value, how] of [[65536, 'uint16'], [-1, 'uint16'], [40000, 'int16'], ['1', 'int16'], [NaN, 'int16'], [1, 'word'], [1, { order: 'middle' }]]) {
    assert.throws(() => encode(value, how), { code: 'invalid' })
  }
  assert.throws(() => decode([1], 'float32'), { code: 'invalid' })
})

test('whatever the bytes are, only errors of its own are thrown', () => {
  let seed = 1
  const random = (n) => {
    seed = Math.imul(seed, 1103515245) + 12345 & 0x7fffffff
    return (seed >> 8) % n
  }
  const own = (f) => {
    try {
      return f()
    } catch (error) {
      if (!(error instanceof ModferryError)) throw error
    }
  }
  const whole = vectors.frames.map((one) => bytes(one.frame))
  for (let i = 0; i < 8000; i++) {
    let raw = Uint8Array.from({ length: random(random(10) ? 20 : 300) }, () => random(256))
    if (random(2)) {
      raw = whole[random(whole.length)].slice()
      if (raw.length) raw[random(raw.length)] = random(256)
      if (random(2)) raw = withCRC(raw.subarray(0, random(raw.length + 1)))
    }
    const frame = whole[random(whole.length)]
    own(() => parseRequest(raw))
    own(() => parseReply(frame, raw))
    own(() => parseReply(raw, frame))
    const fields = explain(raw)
    assert.equal(fields.reduce((at, one) => (assert.equal(one.from, at), assert.ok(one.to > at), one.to), 0), raw.length, hex(raw))
    own(() => explain(raw, frame))
    checkRequest(raw)
    checkRequest(hex(raw).slice(0, random(40)))
    own(() => bytes(text(raw)))
    own(() => request({ unit: random(300), function: random(130), address: random(70000), quantity: random(3) ? undefined : random(200), values: random(2) ? undefined : Array.from(raw) }))
  }
  for (const junk of [undefined, null, 1, {}, [], [256], ['x'], true, () => {}, Symbol.iterator]) {
    for (const f of [bytes, hex, text, crc16, withCRC, request, parseRequest, explain, decode]) own(() => f(junk))
    own(() => parseReply(junk, '01830AC137'))
    own(() => parseReply('010300000001840A', junk))
    checkRequest(junk)
  }
})

test('require gives the same as import', async () => {
  const { createRequire } = await import('node:module')
  const cjs = createRequire(import.meta.url)('modferry-client')
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(modferry).sort())
  assert.equal(hex(cjs.request({ unit: 1, function: 4, address: 1, quantity: 2 })), '010400010002200B')
})
