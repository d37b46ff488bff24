// The numbers that readings had lately, kept in this browser so that charts survive a
// reload. Each series is bounded: all samples of the last while, and before that one a
// minute, for a day at most.

const FINE = 900 // samples that are kept as they came
const COARSE = 1440 // then one a minute
const MINUTE = 60 // seconds
const DAY = 86400 // seconds; what is older is not kept
const SAVE_EVERY = 2000 // ms
const SAVE_AT_ONCE = 20 // series; with 200 that change each second, each is written every 20 s
const MAX_SERIES = 500

// Series is one reading's numbers: times in seconds since 1970, ascending, and values,
// of which null is a gap.
export class Series {
  #fine
  #coarse

  constructor(kept) {
    this.#fine = kept ? kept.fine : { times: [], values: [] }
    this.#coarse = kept ? kept.coarse : { times: [], values: [] }
    this.dirty = false
    this.version = 0
  }

  // add takes a sample, unless one of that time or a later one is there already.
  add(time, value) {
    const { times, values } = this.#fine
    const last = times.length ? times[times.length - 1] : -Infinity
    if (time <= last) return false
    if (value === null && (!values.length || values[values.length - 1] === null)) return false
    times.push(time)
    values.push(value)
    if (times.length > FINE + FINE / 10) this.#age(times, values)
    this.dirty = true
    this.version++
    return true
  }

  // age moves the oldest samples to one a minute.
  #age(times, values) {
    const out = times.length - FINE
    const coarse = this.#coarse
    for (let i = 0; i < out; i++) {
      const last = coarse.times.length - 1
      if (last >= 0 && times[i] - coarse.times[last] < MINUTE && (values[i] === null) === (coarse.values[last] === null)) continue
      coarse.times.push(times[i])
      coarse.values.push(values[i])
    }
    times.splice(0, out)
    values.splice(0, out)
    const surplus = coarse.times.length - COARSE
    if (surplus > 0) {
      coarse.times.splice(0, surplus)
      coarse.values.splice(0, surplus)
    }
  }

  // since returns [times, values] from a time on.
  since(from) {
    const times = []
    const values = []
    for (const part of [this.#coarse, this.#fine]) {
      for (let i = firstAt(part.times, from); i < part.times.length; i++) {
        times.push(part.times[i])
        values.push(part.values[i])
      }
    }
    return [times, values]
  }

  get length() { return this.#fine.times.length + this.#coarse.times.length }
  get kept() { return { fine: this.#fine, coarse: this.#coarse } }
}

// firstAt returns the index of the first of ascending times that is not before from.
function firstAt(times, from) {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle] < from) low = middle + 1
    else high = middle
  }
  return low
}

// History is the series of all readings of a gateway, by topic.
export class History {
  #all = new Map()
  #database = null
  #timer = 0
  #queue = []
  #prefix

  constructor(prefix) {
    this.#prefix = prefix + ' '
  }

  // open reads what is kept; it never fails: without a database, the series are those of
  // this page alone.
  async open() {
    try {
      this.#database = await openDatabase()
      await this.#load()
    } catch {
      this.#database = null
    }
    this.#timer = setInterval(() => this.save(), SAVE_EVERY)
  }

  #load() {
    const oldest = Date.now() / 1000 - DAY
    const range = IDBKeyRange.bound(this.#prefix, this.#prefix + '\uffff')
    return new Promise((resolve, reject) => {
      const request = this.#database.transaction('series', 'readwrite').objectStore('series').openCursor(range)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        const cursor = request.result
        if (!cursor) return resolve()
        const { fine, coarse } = cursor.value
        const last = fine.times[fine.times.length - 1]
        if (last >= oldest && this.#all.size < MAX_SERIES) this.#merge(cursor.key.slice(this.#prefix.length), { fine, coarse })
        else cursor.delete()
        cursor.continue()
      }
    })
  }

  // merge puts what was kept before what came meanwhile.
  #merge(topic, kept) {
    const series = new Series(kept)
    const now = this.#all.get(topic)
    if (now) {
      const [times, values] = now.since(0)
      times.forEach((time, i) => series.add(time, values[i]))
    }
    this.#all.set(topic, series)
  }

  // series returns the one of a topic, a new one if need be; null if there are too many.
  series(topic) {
    let series = this.#all.get(topic)
    if (!series && this.#all.size < MAX_SERIES) this.#all.set(topic, series = new Series())
    return series || null
  }

  // save writes some of what changed.
  save(most = SAVE_AT_ONCE) {
    if (!this.#database) return
    if (!this.#queue.length) this.#queue = [...this.#all].filter(([, series]) => series.dirty)
    const some = this.#queue.splice(0, most)
    if (!some.length) return
    try {
      const store = this.#database.transaction('series', 'readwrite').objectStore('series')
      for (const [topic, series] of some) {
        store.put(series.kept, this.#prefix + topic)
        series.dirty = false
      }
    } catch { // the disk is full, or the browser forbids it
      this.#database = null
    }
  }

  // forget deletes all series of this gateway.
  forget() {
    this.#all.clear()
    this.#queue = []
    if (this.#database) this.#database.transaction('series', 'readwrite').objectStore('series').delete(IDBKeyRange.bound(this.#prefix, this.#prefix + '\uffff'))
  }

  close() {
    this.save(MAX_SERIES)
    clearInterval(this.#timer)
  }
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('modferry', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('series')
    request.onsuccess = () => resolve(request.result)
    request.onerror = request.onblocked = () => reject(request.error)
  })
}
