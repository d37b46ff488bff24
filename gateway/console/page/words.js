// The page's texts in the language of the person. Every text is in words/en.js and
// words/zh.js under the same key; a test compares the two.

import en from './words/en.js'
import zh from './words/zh.js'

const languages = { en, zh }
let current = 'en'

// setLanguage takes 'en' or 'zh'.
export function setLanguage(language) {
  current = languages[language] ? language : 'en'
  document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en'
}

export const language = () => current

// browserLanguage is what the browser prefers of those there are.
export function browserLanguage() {
  for (const wanted of navigator.languages || [navigator.language]) {
    const short = wanted.toLowerCase().split('-')[0]
    if (languages[short]) return short
  }
  return 'en'
}

// t returns the text of a key; {name} in it stands for values.name.
export function t(key, values) {
  const text = languages[current][key] ?? en[key] ?? key
  return values ? text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all) : text
}

// has tells whether there is a text for a key.
export const has = (key) => key in en

// number writes a number as the language does.
export function number(value, digits) {
  return value.toLocaleString(document.documentElement.lang, digits === undefined ? undefined : { maximumFractionDigits: digits })
}

// time writes a moment (Date or milliseconds) as a time of day.
export function time(moment) {
  return new Date(moment).toLocaleTimeString(document.documentElement.lang, { hour12: false })
}
