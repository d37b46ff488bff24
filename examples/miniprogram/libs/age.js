// age says how long ago a time was, '' if it is not known.
module.exports = function age(time, now) {
  if (!time) return ''
  const seconds = Math.max(0, Math.round((now - time) / 1000)) // the phone's clock may be behind
  if (seconds < 60) return seconds + ' s ago'
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago'
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ago'
  return Math.floor(seconds / 86400) + ' days ago'
}
