// Small helpers for the document. Nothing here turns text into markup: the content
// security policy forbids it, and so strings from the network can only ever be text.

// h makes an element: h('button', {class: 'primary', onclick: send}, 'Send').
// Attributes: a function is an event listener for its name without "on"; true is a bare
// attribute; false, null and undefined leave it out. `style` does not work (the policy):
// use classes, or element.style.setProperty. Children: nodes, texts, arrays of these;
// null, undefined and false are left out.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag)
  set(element, attributes || {})
  element.append(...nodes(children))
  return element
}

// svg makes an SVG element likewise.
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  set(element, attributes || {})
  element.append(...nodes(children))
  return element
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value)
  }
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
}

// replace gives an element other children.
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children))
  return element
}

// field is a label with a control, as everywhere on the page.
export function field(label, control, hint) {
  return h('label', { class: 'field' }, h('span', {}, label), control, hint && h('small', {}, hint))
}

// select is a <select> with options of [value, text] or texts.
export function select(options, value, attributes) {
  const all = options.map((o) => Array.isArray(o) ? o : [o, o])
  const element = h('select', attributes, all.map(([v, text]) => h('option', { value: v }, text)))
  if (value !== undefined && value !== null) element.value = value
  return element
}

// copy puts text on the clipboard. Where the browser has none (plain HTTP beyond this
// machine), a hidden text area does it the old way.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return
  } catch { /* the other way */ }
  const area = h('textarea', { class: 'offscreen', readonly: true, 'aria-hidden': 'true' })
  area.value = text
  const top = document.querySelector('dialog[open]') || document.body // an open dialog keeps the focus inside
  top.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error('no clipboard')
}
