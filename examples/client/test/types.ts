// Compiled, never run: what an app writes must be what the types say, and mistakes must be mistakes.
import mqtt from 'mqtt'
import { type Adapter, bytes, checkRequest, connect, decode, encode, explain, type Field, hex, ModferryError, paho, parseReply, type PahoClient, type Reading, request } from 'modferry-client'

const frame: Uint8Array = request({ unit: 1, function: 'read_input_registers', address: 1, quantity: 2 })
const digits: string = hex(frame, ' ')
const fields: Field[] = explain(digits, { unit: 1, function: 4, address: 1 })
const typed = checkRequest('01 04')
if (typed.frame !== null) bytes(hex(typed.frame)).length
const crc: 'good' | 'missing' | 'bad' | '' = typed.crc

const reply = parseReply(frame, '010404013102222ACE')
if (reply.ok) decode(reply.values!, { type: 'int16', scale: 0.1 }).toFixed(1)
else reply.exception.hint.length
const registers: number[] = encode(21.5, { type: 'float32', order: 'little-swap' })

const gateway = connect(mqtt.connect('ws://127.0.0.1:8080/mqtt'), { gateway: 'demo', client: 'panel1' })
const line = gateway.bus('line', { form: 'hex', retries: 2 })
export async function app(): Promise<number[]> {
  try {
    const { values, outcome } = await line.request({ unit: 1, function: 6, address: 0x103, value: -5 }, { timeout: 2000 })
    if (outcome === 'unknown') return registers
    const coils: boolean[] | undefined = (await line.request<boolean>({ unit: 1, function: 1, address: 0 })).values
    return coils && coils[0] && values || []
  } catch (error) {
    if (error instanceof ModferryError && error.code === 'timeout' && error.outcome === 'unknown') return []
    throw error
  }
}
const stop: () => void = gateway.reading<number>('sensor', 'temperature').subscribe((reading: Reading<number>) => reading.value.toFixed(1) + reading.unit)
gateway.status().subscribe(({ connected, gateway }) => connected && gateway === 'online')
gateway.set('boiler', 'setpoint', 21.5).then(({ outcome }) => outcome === 'done')
stop()

declare const pahoClient: PahoClient
const adapter: Adapter = paho(pahoClient)
connect(adapter, { prefix: 'modferry/demo' })
connect(pahoClient, { gateway: 'demo' })
connect({ connected: () => true, publish() {}, subscribe() {}, onMessage() {}, onConnection() {} }, { gateway: 'demo' })

// @ts-expect-error: address is spelt wrong
request({ unit: 1, function: 4, adress: 1 })
// @ts-expect-error: no such order
decode([1, 2], { type: 'int32', order: 'middle' })
// @ts-expect-error: no such form
gateway.bus('line', { form: 'ascii' })
// @ts-expect-error: an object is no MQTT client
connect({}, { gateway: 'demo' })
export { fields, crc }
