import { invalid } from './error.mjs'
import { text } from './hex.mjs'

export const checkName = (what, name) => {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(what + ' "' + name + '": a name has 1 to 64 letters, digits, "_" and "-"')
  return name
}

// guarded calls what an app gave. What it throws is the app's, and must not end the connection.
export function guarded(f, value) {
  try {
    f(value)
  } catch (error) {
    setTimeout(() => { throw error }, 0)
  }
}

export function parsed(payload) {
  try {
    const value = JSON.parse(text(payload))
    return value && typeof value === 'object' ? value : null
  } catch (error) {
    return null
  }
}

// matches tells whether an MQTT topic filter matches a topic.
export function matches(filter, topic) {
  if (filter === topic) return true
  const want = filter.split('/')
  const have = topic.split('/')
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '#') return true
    if (i >= have.length || want[i] !== '+' && want[i] !== have[i]) return i === have.length && want[i] === '#'
  }
  return want.length === have.length
}
