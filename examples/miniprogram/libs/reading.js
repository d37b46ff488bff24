// Readings: what a gateway publishes, retained, on P/device/<device>/<reading>.

const { text } = require('modferry-client')

// parse returns {value, unit, quality, time}, time in ms since 1970 or 0, or null if it is no reading.
function parse(payload) {
  let reading
  try {
    reading = JSON.parse(text(payload))
  } catch (error) {
    return null
  }
  if (typeof reading === 'number') return { value: reading, unit: '', quality: 'good', time: 0 } // payload: value
  if (!reading || typeof reading !== 'object' || reading.value === undefined) return null
  return { value: reading.value, unit: reading.unit || '', quality: reading.quality || 'bad', time: Date.parse(reading.time) || 0 }
}

// age says how long ago time was; both in ms since 1970.
function age(time, now) {
  const seconds = Math.max(0, Math.round((now - time) / 1000)) // the phone's clock may be behind
  if (!time) return ''
  if (seconds < 60) return seconds + ' s ago'
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago'
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ago'
  return Math.floor(seconds / 86400) + ' days ago'
}

module.exports = { parse, age }
