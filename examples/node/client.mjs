// The same with modferry-client, which matches replies, knows when to ask again, and when
// not to. Arguments: URL, GATEWAY, BUS; without, those of "modferry demo".
import mqtt from 'mqtt'
import { connect } from '../client/modferry.mjs'

const [url = 'ws://127.0.0.1:8080/mqtt', name = 'demo', line = 'line'] = process.argv.slice(2)
const client = mqtt.connect(url, { username: process.env.MQTT_USERNAME, password: process.env.MQTT_PASSWORD, keepalive: 30 })
const gateway = connect(client, { gateway: name, client: process.env.CLIENT_ID }) // a name of this app, kept
const bus = gateway.bus(line)

gateway.reading('sensor', 'temperature').subscribe((r) => console.log('reading', r.value, r.unit, r.quality))

const { values } = await bus.request({ unit: 1, function: 'read_input_registers', address: 1, quantity: 2 })
console.log('values', ...values)

const refused = (error) => console.log('write', error.code, error.outcome) // unknown: read before you write again
await bus.request({ unit: 1, function: 'write_single_register', address: 1, value: 0 }).catch(refused)

gateway.close()
client.end()
