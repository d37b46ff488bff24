const { bytes, checkRequest, explain, hex } = require('modferry-client')
const { age } = require('../../libs/reading.js')
const { draw } = require('../../libs/chart.js')
const { forms } = require('../../libs/requests.js')

// words are what the page shows of the session's state.
function words(state) {
  const reading = state.temperature
  return {
    connection: state.connection,
    online: state.online,
    reason: state.reason,
    gateway: state.gateway,
    device: state.device,
    temperature: !reading ? '–' : reading.value === null ? 'no value' : reading.value + ' ' + reading.unit,
    quality: reading ? reading.quality : '',
    age: reading ? age(reading.time, Date.now()) : ''
  }
}

Page({
  data: Object.assign(words({ connection: '', online: false, reason: '', gateway: '', device: '', temperature: null }), {
    frame: '01 04 00 01 00 02 20 0B',
    check: '',
    ready: false,
    forms,
    form: 0,
    qos: 2,
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

  // Arrow functions: in "function () {}" handed to somebody else, this would not be the page.
  onShow() {
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
    this.unwatch()
    clearInterval(this.clock)
  },

  drawChart() {
    if (this.canvas) draw(this.canvas.context, this.canvas.width, this.canvas.height, this.session.points)
  },

  onFrame(event) { this.check(event.detail.value) },

  onForm(event) { this.setData({ form: Number(event.detail.value) }) },

  onQos(event) { this.setData({ qos: Number(event.detail.value) }) },

  // check looks at the frame as it is typed. A missing CRC is added; a wrong one is never repaired.
  check(text) {
    const { frame, crc, message } = checkRequest(text)
    this.setData({ frame: text, ready: frame !== null && crc !== 'bad', check: message })
  },

  onSend() {
    const { frame } = checkRequest(this.data.frame)
    this.setData({ busy: true, failure: '', reply: '', replied: '', explained: [] })
    this.session.ask(frame, forms[this.data.form], this.data.qos).then((answer) => {
      this.setData({
        busy: false,
        reply: hex(bytes(answer.frame), ' '),
        replied: [answer.outcome, answer.elapsed + ' ms'].filter(Boolean).join(', '),
        explained: explain(answer.frame, frame)
      })
    }, (error) => {
      const advice = error.outcome === 'unknown' ? ': read before you write again' : ''
      this.setData({ busy: false, failure: error.message + advice })
    })
  }
})
