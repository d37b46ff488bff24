// ModferryError is the only error thrown or rejected with here. Its code says what to
// do; message is one sentence for people.
export class ModferryError extends Error {
  constructor(code, message, more) {
    super(message)
    Object.setPrototypeOf(this, ModferryError.prototype) // lost where classes are compiled to ES5
    this.name = 'ModferryError'
    this.code = code
    for (const key of Object.keys(more || {})) this[key] = more[key]
  }
}

export const fail = (code, message, more) => new ModferryError(code, message, more)
export const invalid = (message) => fail('invalid', message)

// whole returns the whole number of a key, within its range.
export function whole(fields, key, least, most, otherwise) {
  const value = fields[key] === undefined ? otherwise : fields[key]
  if (value === undefined) throw invalid('"' + key + '" is missing')
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalid('"' + key + '" is ' + value + ': it must be a whole number, ' + least + ' to ' + most)
  }
  return value
}
