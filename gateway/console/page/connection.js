// How to reach the broker, and the dialog with which a person says it. What is typed
// stays in this browser.

import { field, h } from './dom.js'
import { t } from './words.js'
import { brokerURL } from './mqtt.js'

// userName is the user of the broker, if a client can have that name; '' otherwise.
export const userName = (settings) => /^[A-Za-z0-9_-]{1,64}$/.test(settings?.user || '') ? settings.user : ''

// nameWith is what this page calls itself as a client: what the person chose, or else the
// broker's user, by which access rules go, or else a random name.
export const nameWith = (settings, store) => store.get('client') || userName(settings) || store.get('name')

// settingsFor are those of the last time; the first time the same server's, with what was
// typed to log in; null where there is no broker here.
export function settingsFor({ websocket, users }, store, credentials) {
  const kept = store.get('connection')
  if (kept || !websocket) return kept || null
  const url = new URL(websocket, location.href)
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const settings = { url: url.href, ...(users ? credentials : {}) }
  if (settings.user) store.putForSession('connection', settings)
  return settings
}

// connectionDialog shows the settings and, if they are changed, calls save(settings,
// name, remember) once. name is the page's as a client, '' for the user's; otherwise is
// what it has without a user.
export function connectionDialog({ view, connection, name, otherwise, kept, remembered, save }) {
  const now = connection.settings || kept || { url: '' }
  const url = h('input', { name: 'url', value: now.url, required: true, inputmode: 'url', spellcheck: 'false', placeholder: 'wss://broker.example/mqtt' })
  const user = h('input', { name: 'mqtt-user', value: now.user || '', autocomplete: 'off', spellcheck: 'false' })
  const password = h('input', { name: 'mqtt-password', type: 'password', value: now.password || '', autocomplete: 'off' })
  const client = h('input', { name: 'client', value: name, pattern: '[A-Za-z0-9_\\-]{1,64}', spellcheck: 'false' })
  const follow = () => { client.placeholder = userName({ user: user.value }) || otherwise }
  user.addEventListener('input', follow)
  follow()
  const remember = h('input', { type: 'checkbox', name: 'remember' })
  remember.checked = remembered
  const problem = h('p', { class: 'problem', role: 'alert' })
  const state = h('p', { class: 'soft' })
  const unwatch = connection.watch(() => {
    state.textContent = t('state.' + connection.phase) + (connection.reason ? t('app.colon') + t('connection.' + connection.reason) : '')
  })
  const submit = (event) => {
    event.preventDefault()
    let address
    try {
      address = brokerURL(url.value)
    } catch {
      problem.textContent = t('connection.bad_url')
      return url.focus()
    }
    dialog.close()
    save({ url: address, user: user.value, password: password.value }, client.value, remember.checked)
  }
  const dialog = h('dialog', { 'aria-labelledby': 'connection-title', onclose: () => { unwatch(); dialog.remove() } },
    h('form', { onsubmit: submit },
      h('h2', { id: 'connection-title' }, t('connection.title')), state,
      field(t('connection.url'), url, view.broker.websocket ? t('connection.url_own') : t('connection.url_other', { url: view.broker.url })),
      h('div', { class: 'columns' }, field(t('connection.user'), user), field(t('connection.password'), password)),
      field(t('connection.client'), client, t('connection.client_hint')),
      h('label', { class: 'check' }, remember, h('span', {}, t('connection.remember'), h('small', {}, t('connection.remember_hint')))),
      problem,
      h('div', { class: 'row end' },
        h('button', { type: 'button', onclick: () => dialog.close() }, t('app.cancel')),
        h('button', { class: 'primary' }, t('connection.connect')))))
  document.body.append(dialog)
  dialog.showModal()
}
