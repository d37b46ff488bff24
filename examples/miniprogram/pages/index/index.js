const { checkRequest, explain, hex } = require('modferry-client')
const age = require('../../libs/age.js')
const { draw } = require('../../libs/chart.js')

const CONNECTIONS = { off: 'Disconnected', connecting: 'Connecting', online: 'Connected', waiting: 'No connection' }

// words are what the page shows of the session's state.
function words({ connection, reason, gateway, temperature }) {
  return {
    connection: CONNECTIONS[connection],
    online: connection === 'online',
    reason,
    gateway: connection === 'online' ? gateway : '',
    temperature: !temperature ? '–' : temperature.value === null ? 'no value' : temperature.value + ' ' + (temperature.unit || ''),
    quality: temperature ? temperature.quality : '',
    offline: temperature ? temperature.offline : '', // what is: the connection, the gateway, the device
    age: temperature ? age(temperature.time, Date.now()) : ''
  }
}

Page({
  data: Object.assign(words({ connection: 'off', reason: '', gateway: '', temperature: null }), {
    frame: '01 04 00 01 00 02 20 0B',
    check: '',
    ready: false,
    forms: ['json', 'hex', 'binary'],
    form: 0, // json: its replies have an id. Those of the others are matched by what is in them.
    busy: false,
    failure: '',
    reply: '',
    replied: '',
    explained: []
  }),

  onLoad() {
    this.session = getApp().session
    this.check(this.data.frame)
  },

  // Arrow functions: in a "function () {}" that somebody else calls, this would not be the page.
  onShow() {
    this.rest()
    this.unwatch = this.session.watch((state) => {
      this.setData(words(state))
      this.drawChart()
    })
    this.clock = setInterval(() => this.setData({ age: words(this.session.state).age }), 1000)
  },

  onReady() {
    wx.createSelectorQuery().select('#chart').fields({ node: true, size: true }).exec(([found]) => {
      if (!found || !found.node) return
      const ratio = (wx.getWindowInfo || wx.getSystemInfoSync)().pixelRatio
      found.node.width = found.width * ratio
      found.node.height = found.height * ratio
      const context = found.node.getContext('2d')
      context.scale(ratio, ratio)
      this.canvas = { context, width: found.width, height: found.height }
      this.drawChart()
    })
  },

  onHide() { this.rest() },

  onUnload() { this.rest() },

  rest() {
    if (this.unwatch) this.unwatch()
    clearInterval(this.clock)
  },

  drawChart() {
    if (this.canvas) draw(this.canvas.context, this.canvas.width, this.canvas.height, this.session.points)
  },

  onFrame(event) { this.check(event.detail.value) },

  onForm(event) { this.setData({ form: Number(event.detail.value) }) },

  // check looks at the frame as it is typed. A missing CRC is added; a wrong one is never repaired.
  check(text) {
    const { frame, crc, message } = checkRequest(text)
    this.setData({ frame: text, ready: frame !== null && crc !== 'bad', check: message })
  },

  onSend() {
    const { frame } = checkRequest(this.data.frame)
    const start = Date.now()
    this.setData({ busy: true, failure: '', reply: '', replied: '', explained: [] })
    this.session.ask(frame, this.data.forms[this.data.form]).then((answer) => {
      this.answered(frame, answer, start)
    }, (error) => {
      this.answered(frame, error, start)
      this.setData({ failure: error.message })
    })
  },

  // answered shows the reply, or the exception or refusal, which may have a frame, too.
  answered(frame, { frame: reply, outcome }, start) {
    this.setData({
      busy: false,
      reply: reply ? hex(reply, ' ') : '',
      replied: [outcome, Date.now() - start + ' ms'].filter(Boolean).join(', '),
      explained: reply ? explain(reply, frame) : []
    })
  }
})
