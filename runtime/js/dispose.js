// Symbol.dispose and Symbol.asyncDispose, for Node.js that has none yet. TypeScript's `using` looks for them there.
'use strict'

function ensured(name) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) })
  return Symbol[name]
}

module.exports = { dispose: ensured('dispose'), asyncDispose: ensured('asyncDispose') }
