// What the page remembers in this browser, as JSON. Keys begin with the gateway's
// prefix, for one origin can serve several gateways one after the other.

export class Store {
  constructor(prefix) {
    this.prefix = 'modferry:' + prefix + ':'
  }

  // get returns what was put, or fallback.
  get(key, fallback) {
    try {
      const text = localStorage.getItem(this.prefix + key) ?? sessionStorage.getItem(this.prefix + key)
      return text === null ? fallback : JSON.parse(text)
    } catch {
      return fallback
    }
  }

  // put keeps a value until the site's data are deleted; undefined deletes it. Where
  // the browser keeps nothing (full, or forbidden), it is forgotten with the page.
  put(key, value) {
    this.#write(localStorage, key, value)
    this.#write(sessionStorage, key, undefined)
  }

  // lasts tells whether a value outlives this tab of the browser.
  lasts(key) {
    try {
      return localStorage.getItem(this.prefix + key) !== null
    } catch {
      return false
    }
  }

  // putForSession keeps a value as long as this tab of the browser.
  putForSession(key, value) {
    this.#write(sessionStorage, key, value)
    this.#write(localStorage, key, undefined)
  }

  #write(storage, key, value) {
    try {
      if (value === undefined) storage.removeItem(this.prefix + key)
      else storage.setItem(this.prefix + key, JSON.stringify(value))
    } catch { /* see put */ }
  }
}
