// Reads payloads as lines of hex and prints each as a line of JSON.
const { get } = require('sparkplug-payload')
const payload = get('spBv1.0')

// Long numbers are written as text, so that none of their digits is lost.
function long (value) {
  if (Array.isArray(value)) return value.map(long)
  if (value && typeof value === 'object') {
    if ('low' in value && 'high' in value) return value.toString()
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, long(v)]))
  }
  return value
}

require('readline').createInterface({ input: process.stdin }).on('line', line => {
  console.log(JSON.stringify(long(payload.decodePayload(Buffer.from(line, 'hex')))))
})
