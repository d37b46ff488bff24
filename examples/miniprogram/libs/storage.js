// The browser's localStorage over the storage of a mini-program. Paho keeps the messages there that
// the broker has not acknowledged, so that they survive the end of the app.

// create returns one whose keys begin with prefix in the platform's storage. Its keys are
// enumerable properties, because paho looks for its own with for..in; its functions are not.
function create(platform, prefix) {
  const keys = () => platform.getStorageInfoSync().keys.filter((key) => key.indexOf(prefix) === 0)
  const hidden = (value) => ({ value, enumerable: false })
  const store = Object.create(Object.create(Object.prototype, {
    getItem: hidden(function (key) {
      return Object.prototype.hasOwnProperty.call(this, key) ? this[key] : null
    }),
    setItem: hidden(function (key, text) {
      platform.setStorageSync(prefix + key, String(text)) // first: it fails when the storage is full
      this[key] = String(text)
    }),
    removeItem: hidden(function (key) {
      delete this[key]
      platform.removeStorageSync(prefix + key)
    })
  }))
  keys().forEach((key) => { store[key.slice(prefix.length)] = String(platform.getStorageSync(key)) })
  return store
}

module.exports = { create }
