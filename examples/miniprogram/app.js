const settings = require('./libs/settings.js')
const { Session } = require('./libs/session.js')

App({
  onLaunch() {
    this.session = new Session(settings.load(wx))
    wx.onNetworkStatusChange((change) => this.session.network(change))
  },

  // The platform cuts the network about five seconds after an app has gone to the background. The session
  // at the broker stays, and replies wait there.
  onShow() { this.session.start() },

  onHide() { this.session.stop() }
})
