// The console's shell: login, connection, tabs, language, theme.
//
// How the page is made. Plain ES modules, no build step; what is written here is what
// runs. The server compresses and embeds this folder.
//
// - A tab is a module that exports mount(root, context). It fills root, an empty
//   <section>, when it is shown for the first time, and may return {show(path), hide()}:
//   show is called each time it comes to the front, with what follows its name in the
//   address (#readings/sensor -> ['sensor']), hide when another one does. It stays in the
//   document, hidden, and may go on working; do nothing costly while root.hidden.
//   When the language changes, or somebody else logs in, context.signal is aborted,
//   root is emptied and mount is called anew: end there what was started (listeners take
//   {signal}), and keep what must survive in context.store.
// - context: view (of /api/view: gateway, prefix, buses, devices with their topics, see
//   view.go), connection (mqtt.js: watch, subscribe, publish; shared by all tabs), store
//   (store.js: get, put; this gateway's, in this browser), name (what this page calls itself
//   as a client in topics), chosenName ('' unless the person chose it), topicsOf(bus) (its request, response and error topic for that
//   name), signal, go('readings/sensor'), say(text, kind) (a short notice; kind 'good',
//   'bad' or nothing), root.
// - Texts are in words/en.js and words/zh.js, key 'tab.thing', through t() of words.js.
//   Elements are made by h() of dom.js; colours, sizes and common pieces (.card, .row,
//   .field, .table, .badge, .mono, .primary) are in style.css: a tab has a section there.
//   Colour has a meaning: good, warn, bad, or nothing. There is no style attribute and
//   no markup from strings; the content security policy refuses both.
// - Everything works with the keyboard, at 360 px, in both themes, and is named for
//   screen readers. Tests are in testdata/browser: a file for each tab.

import { h, replace, select } from './dom.js'
import { browserLanguage, language, setLanguage, t } from './words.js'
import { Store } from './store.js'
import { Connection, randomName } from './mqtt.js'
import { connectionDialog, nameWith, settingsFor } from './connection.js'
import { loginForm } from './login.js'
import * as terminal from './terminal.js'
import * as readings from './readings.js'
import * as line from './line.js'
import * as device from './device.js'
import * as connect from './connect.js'

const tabs = { terminal, readings, line, device, connect }
const own = new Store('') // what belongs to no gateway: language and theme

const page = {
  view: null, store: null, connection: new Connection(), name: '',
  mounted: {}, current: '', ending: new AbortController()
}

start()

async function start() {
  setLanguage(own.get('language', browserLanguage()))
  setTheme(own.get('theme', 'auto'))
  addEventListener('hashchange', route)
  addEventListener('online', () => page.connection.wake())
  document.addEventListener('visibilitychange', () => {
    if (document.hidden || !page.view) return
    page.connection.wake()
    refresh()
  })
  await load()
}

// load asks the server what there is, and shows it; or asks the person to log in.
async function load(credentials) {
  let answer
  try {
    const session = await fetch('api/session')
    if (session.ok && (await session.json()).login) return showLogin()
    answer = await fetch('api/view')
  } catch {
    return fatal(t('app.unreachable'))
  }
  if (!answer.ok) return fatal(await reasonOf(answer))
  page.text = await answer.text()
  page.view = JSON.parse(page.text)
  page.store = new Store(page.view.prefix)
  if (!page.store.get('name')) page.store.put('name', 'console-' + randomName(4))
  const settings = settingsFor(page.view.broker, page.store, credentials)
  page.name = nameWith(settings, page.store)
  draw()
  openConnection(settings)
}

// refresh shows what there is now, if that has changed: the gateway may have another
// configuration since. A page that cannot ask stays as it is.
async function refresh() {
  const answer = await fetch('api/view').catch(() => null)
  if (answer?.status === 401) return showLogin()
  const text = answer?.ok && await answer.text()
  if (!text || text === page.text || !page.view) return
  page.text = text
  page.view = JSON.parse(text)
  draw()
}

async function reasonOf(answer) {
  try {
    return (await answer.json()).error.message
  } catch {
    return answer.status + ' ' + answer.statusText
  }
}

function fatal(text) {
  replace(document.body, h('main', { class: 'alone' }, h('h1', {}, 'modferry'), h('p', { role: 'alert' }, text),
    h('button', { class: 'primary', onclick: () => location.reload() }, t('app.again'))))
}

function showLogin() {
  page.ending.abort()
  page.connection.close()
  page.view = null
  document.title = t('login.title') + ' · modferry'
  replace(document.body, h('main', { class: 'alone' }, loginForm(load), h('div', { class: 'row' }, languageChoice(), themeChoice())))
}

// openConnection connects. Where the settings are not enough it asks, once.
function openConnection(settings) {
  if (settings) page.connection.open(settings)
  const end = page.connection.watch(({ phase, reason }) => {
    const lacking = phase === 'off' || phase === 'refused' && ['credentials', 'not_authorized'].includes(reason)
    if (phase === 'connecting' || phase === 'waiting') return
    queueMicrotask(() => end())
    if (!lacking || page.store.get('asked')) return
    page.store.putForSession('asked', true)
    openSettings()
  })
}

// topicsOf returns the topics of a bus for this page as a client.
function topicsOf(bus, name = page.name) {
  const ending = bus.endings && name ? '/' + name : ''
  return { request: bus.request + ending, response: bus.response + (bus.shared_response ? '' : ending), error: bus.error + ending }
}

// ---- the frame around the tabs

function draw() {
  page.ending.abort()
  page.ending = new AbortController()
  page.mounted = {}
  page.current = ''
  document.title = page.view.gateway + ' · modferry'
  replace(document.body,
    h('a', { class: 'skip', href: '#main', onclick: skip }, t('app.skip')),
    h('header', {},
      h('div', { class: 'brand' }, h('span', { class: 'name' }, 'modferry'), h('span', { class: 'gateway' }, page.view.gateway)),
      h('nav', { 'aria-label': t('app.tabs') }, Object.keys(tabs).filter(isThere).map((name) =>
        h('a', { href: '#' + name, 'data-tab': name }, t('tab.' + name)))),
      h('div', { class: 'tools' }, connectionButton(), languageChoice(), themeChoice(), page.view.user && logoutButton())),
    h('main', { id: 'main', tabindex: '-1' }, Object.keys(tabs).filter(isThere).map((name) =>
      h('section', { id: 'tab-' + name, 'aria-label': t('tab.' + name), hidden: true }))),
    h('div', { id: 'notices', role: 'status', 'aria-live': 'polite' }))
  route()
}

// Without a simulator there is no device to move.
const isThere = (name) => name !== 'device' || Boolean(page.view.simulator)

function skip(event) {
  event.preventDefault()
  document.getElementById('main').focus()
}

function route() {
  if (!page.view) return
  const [wanted, ...path] = location.hash.slice(1).split('/').map(decode)
  const name = tabs[wanted] && isThere(wanted) ? wanted : 'terminal'
  const root = document.getElementById('tab-' + name)
  if (!root) return // the login is shown
  if (page.current && page.current !== name) {
    document.getElementById('tab-' + page.current).hidden = true
    page.mounted[page.current].hide?.()
    replace(document.getElementById('notices'))
  }
  page.current = name
  root.hidden = false
  for (const link of document.querySelectorAll('[data-tab]')) {
    if (link.dataset.tab === name) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  page.mounted[name] ??= tabs[name].mount(root, contextOf(root)) || {}
  page.mounted[name].show?.(path)
}

function decode(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function contextOf(root) {
  const { view, connection, store } = page
  return {
    view, connection, store, topicsOf, root, say, signal: page.ending.signal,
    get name() { return page.name },
    get chosenName() { return store.get('client', '') },
    go(address) { location.hash = address },
    settings() { openSettings() }
  }
}

// say shows a notice for a while, in place of the one before.
export function say(text, kind = '') {
  const notice = h('p', { class: 'notice ' + kind }, text)
  replace(document.getElementById('notices'), notice)
  setTimeout(() => notice.remove(), kind === 'bad' ? 6000 : 2000)
}

// ---- connection, language, theme

function openSettings() {
  connectionDialog({
    view: page.view, connection: page.connection, name: page.store.get('client', ''), otherwise: page.store.get('name'), kept: page.store.get('connection'), remembered: page.store.lasts('connection'),
    save(settings, chosen, remember) {
      if (remember) page.store.put('connection', settings)
      else page.store.putForSession('connection', settings)
      page.store.put('client', chosen || undefined)
      const name = nameWith(settings, page.store)
      if (name !== page.name) {
        page.name = name
        draw()
      }
      page.connection.open(settings)
    }
  })
}

function connectionButton() {
  const text = h('span', {})
  const button = h('button', { class: 'chip', id: 'connection', onclick: openSettings }, h('span', { class: 'dot', 'aria-hidden': 'true' }), text)
  let gateway = '' // what its status topic says
  let away = false // it or the broker was not there
  const show = () => {
    const { phase } = page.connection
    const state = phase === 'online' && gateway === 'offline' ? 'away' : phase
    button.dataset.state = state
    text.textContent = t('state.' + state)
    button.title = page.connection.reason ? t('connection.' + page.connection.reason) : t('app.connection')
  }
  const ends = [
    page.connection.watch(() => {
      if (page.connection.phase !== 'online') gateway = ''
      away ||= page.connection.phase === 'waiting'
      show()
    }),
    page.connection.subscribe(page.view.prefix + '/status', (message) => {
      gateway = message.text
      if (gateway === 'online' && away) refresh() // with another configuration, perhaps
      away = gateway !== 'online'
      show()
    })
  ]
  page.ending.signal.addEventListener('abort', () => ends.forEach((end) => end()))
  return button
}

function languageChoice() {
  const choose = (event) => {
    own.put('language', event.target.value)
    setLanguage(event.target.value)
    if (page.view) draw()
    else showLogin()
    document.querySelector('.language').focus()
  }
  return select([['en', 'English'], ['zh', '中文']], language(), { class: 'quiet language', 'aria-label': t('app.language'), onchange: choose })
}

function themeChoice() {
  const choose = (event) => {
    own.put('theme', event.target.value)
    setTheme(event.target.value)
  }
  return select(['auto', 'light', 'dark'].map((name) => [name, t('theme.' + name)]), own.get('theme', 'auto'),
    { class: 'quiet', 'aria-label': t('app.theme'), onchange: choose })
}

function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

function logoutButton() {
  const end = async () => {
    await fetch('api/logout', { method: 'POST' })
    page.store.put('connection', undefined)
    location.reload()
  }
  return h('button', { class: 'quiet small', onclick: end, title: page.view.user }, t('app.logout'))
}
