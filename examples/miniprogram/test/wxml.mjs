// As much of WXML as the pages of this app use: elements, {{}}, wx:if, wx:for.

export class Wxml {
  constructor(text) { this.root = parse(text) }

  // find returns the element with this id as it is shown with data, or null if it is not.
  find(id, data) {
    const search = (nodes) => {
      for (const node of nodes) {
        if (node.attributes && node.attributes.id === id) return node
        const found = node.children && search(node.children)
        if (found) return found
      }
      return null
    }
    return search(this.shown(data))
  }

  shown(data) { return this.root.flatMap((node) => show(node, data)) }

  text(id, data) {
    const nodes = id ? [this.find(id, data)].filter(Boolean) : this.shown(data)
    const words = (node) => (node.children ? node.children.map(words).join('') : node.text)
    return nodes.map(words).join(' ').replace(/\s+/g, ' ').trim()
  }
}

function parse(text) {
  const root = { children: [] }
  const open = [root]
  for (const [, close, tag, attributes, empty, words] of text.matchAll(/<(\/?)([a-z-]+)((?:\s+[\w:-]+(?:="[^"]*")?)*)\s*(\/?)>|([^<]+)/g)) {
    const parent = open[open.length - 1]
    if (words !== undefined) parent.children.push({ text: words })
    else if (close) {
      if (parent.tag !== tag) throw new Error(`</${tag}> ends <${parent.tag}>`)
      open.pop()
    } else {
      const node = { tag, children: [], attributes: Object.fromEntries([...attributes.matchAll(/([\w:-]+)(?:="([^"]*)")?/g)].map(([, key, value]) => [key, value === undefined ? true : value])) }
      parent.children.push(node)
      if (!empty) open.push(node)
    }
  }
  if (open.length > 1) throw new Error(`<${open[open.length - 1].tag}> has no end`)
  return root.children
}

function show(node, data) {
  if (!node.tag) return [{ text: String(value(node.text, data)) }]
  const list = node.attributes['wx:for']
  if (list) {
    const { 'wx:for': _, ...attributes } = node.attributes
    return value(list, data).flatMap((item, index) => show({ ...node, attributes }, { ...data, item, index }))
  }
  if ('wx:if' in node.attributes && !value(node.attributes['wx:if'], data)) return []
  const attributes = Object.fromEntries(Object.entries(node.attributes).map(([key, text]) => [key, value(text, data)]))
  return [{ tag: node.tag, attributes, children: node.children.flatMap((child) => show(child, data)) }]
}

// value is a text with its {{}} filled in; a single {{}} keeps its type. An unknown name is an error.
function value(text, data) {
  if (typeof text !== 'string') return text
  const evaluate = (expression) => new Function(...Object.keys(data), `return (${expression})`)(...Object.values(data))
  const single = /^\{\{([^{}]*(?:\{[^{}]*\})?[^{}]*)\}\}$/.exec(text)
  if (single) return evaluate(single[1])
  return text.replace(/\{\{(.*?)\}\}/g, (_, expression) => evaluate(expression))
}
