// Asks where the broker allows something else: node denied.mjs LIBRARY URL. Prints the error as one JSON line.
import { connect } from 'modferry-client'
import { libraries } from './libraries.mjs'

const [library, url] = process.argv.slice(2)
const { client, end } = libraries[library](url, 'panel', 'secret')
const gateway = connect(client, { gateway: 'shed', client: 'app', timeout: 5000 })
const error = await gateway.bus('line').request({ unit: 1, function: 6, address: 1, value: 1 }).catch((error) => error)
console.log(JSON.stringify({ code: error.code, outcome: error.outcome, message: error.message }))
gateway.close()
end()
