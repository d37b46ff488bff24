// What a reading's messages say, and how it is written.

import { number, t } from './words.js'

// understand reads a message in the form in which its device publishes.
export function understand(message, payload) {
  if (payload === 'json') {
    const reading = message.json
    if (reading === null || typeof reading !== 'object') return { content: message.text, quality: 'bad', time: message.at }
    return { content: reading.value, quality: reading.quality, time: Date.parse(reading.time) || 0 }
  }
  const time = message.retained ? 0 : message.at
  if (payload === 'value') {
    const value = Number(message.text)
    return { content: message.text !== '' && Number.isFinite(value) ? value : message.text, quality: 'good', time }
  }
  if (payload === 'binary') return { content: Array.from(message.bytes, (b) => b.toString(16).toUpperCase().padStart(2, '0')).join(' '), quality: 'good', time }
  return { content: message.text, quality: 'good', time }
}

// valueText writes a value; a number keeps the decimals that it once had, so that it does not jump.
export function valueText(row) {
  const value = row.content
  if (value === null || value === undefined) return '–'
  if (typeof value === 'number') {
    const written = String(value)
    if (/e/.test(written)) return written
    row.decimals = Math.min(6, Math.max(row.decimals, (written.split('.')[1] || '').length))
    return value.toFixed(row.decimals)
  }
  if (Array.isArray(value)) return value.slice(0, 16).join(' ') + (value.length > 16 ? ' …' : '')
  return String(value)
}

// ageText writes how long ago something was.
export function ageText(ms) {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 100) return t('readings.seconds', { n: seconds })
  if (seconds < 6000) return t('readings.minutes', { n: Math.floor(seconds / 60) })
  if (seconds < 172800) return t('readings.hours', { n: Math.floor(seconds / 3600) })
  return t('readings.days', { n: number(Math.floor(seconds / 86400)) })
}
