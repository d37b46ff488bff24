// Asks once, while somebody cuts the connection: node cut.mjs LIBRARY URL read|write.
// Prints "connected", and then what became of the request as one JSON line.
import { connect } from 'modferry-client'
import { libraries } from './libraries.mjs'

const [library, url, what] = process.argv.slice(2)
const { client, end } = libraries[library](url)
const gateway = connect(client, { gateway: 'shed', client: 'app', retries: 0 })
gateway.status().subscribe((state) => { if (state.gateway === 'online') console.log('connected') })
const fields = what === 'read' ? { function: 4, address: 1, quantity: 2 } : { function: 6, address: 1, value: 3 }
try {
  const reply = await gateway.bus('line').request({ unit: 1, ...fields }, { timeout: what === 'read' ? 45000 : 5000 })
  console.log(JSON.stringify({ ok: true, values: reply.values, outcome: reply.outcome }))
} catch (error) {
  console.log(JSON.stringify({ ok: false, code: error.code, outcome: error.outcome, message: error.message }))
} finally {
  gateway.close()
  end()
}
