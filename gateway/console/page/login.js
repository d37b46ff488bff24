// The login of a gateway with users.

import { field, h } from './dom.js'
import { t } from './words.js'

// loginForm asks for user and password, and calls done with them when they are right.
export function loginForm(done) {
  const user = h('input', { name: 'username', autocomplete: 'username', required: true, autofocus: true })
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true })
  const problem = h('p', { class: 'problem', role: 'alert' })
  const button = h('button', { class: 'primary' }, t('login.button'))
  const submit = async (event) => {
    event.preventDefault()
    button.disabled = true
    problem.textContent = ''
    const credentials = { user: user.value, password: password.value }
    try {
      const answer = await fetch('api/login', {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(credentials)
      })
      if (answer.ok) return await done(credentials)
      problem.textContent = answer.status === 429 ? t('login.later', { seconds: answer.headers.get('Retry-After') }) : t('login.wrong')
      password.select()
    } catch {
      problem.textContent = t('app.unreachable')
    } finally {
      button.disabled = false
    }
  }
  return h('form', { class: 'card login', onsubmit: submit },
    h('h1', {}, 'modferry'), h('p', { class: 'soft' }, t('login.lead')),
    field(t('login.user'), user), field(t('login.password'), password), problem, button)
}
