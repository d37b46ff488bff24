import { h } from './dom.js'
import { t } from './words.js'

export function mount(root) {
  root.append(h('h1', {}, t('tab.terminal')))
}
