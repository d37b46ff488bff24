const store = require('../../libs/settings.js')
const { names } = require('../../libs/link.js')

Page({
  data: { settings: {}, libraries: names, library: 0, problem: '' },

  onLoad() { this.show(store.load(wx)) },

  onInput(event) {
    const change = {}
    change[event.currentTarget.dataset.key] = event.detail.value.trim()
    this.show(Object.assign({}, this.data.settings, change))
  },

  onQos(event) { this.show(Object.assign({}, this.data.settings, { qos: Number(event.detail.value) })) },

  onLibrary(event) { this.show(Object.assign({}, this.data.settings, { library: names[event.detail.value] })) },

  show(settings) {
    this.setData({ settings, library: Math.max(0, names.indexOf(settings.library)), problem: store.problem(settings) })
  },

  onSave() {
    store.save(wx, this.data.settings)
    getApp().session.configure(this.data.settings)
    wx.navigateBack()
  }
})
