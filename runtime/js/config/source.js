// The text of a configuration: whether it can be read at all, and where its keys stand. acorn reads JSON and JavaScript
// alike; nothing is evaluated here.
'use strict'

const { Parser } = require('internal/deps/acorn/acorn/dist/acorn')

const NESTING_MAX = 200 // of brackets: a parser that calls itself has an end

// ---- the text

function textOf(bytes) {
  if (bytes.includes(0)) return { why: 'is no text: it has a byte 0' }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) } // without a byte order mark
  } catch {
    return { why: 'is no text in UTF-8' }
  }
}

function isTooDeep(text) {
  let depth = 0
  for (const c of text) {
    if (c === '[' || c === '{' || c === '(') depth++
    else if (c === ']' || c === '}' || c === ')') depth--
    if (depth > NESTING_MAX) return true
  }
  return false
}

function placeOf(text, index) {
  const before = text.slice(0, index).split(/\r\n?|\n/)
  return { line: before.length, column: before.at(-1).length + 1 }
}

// ---- the tree

const BASE = { ecmaVersion: 'latest', allowHashBang: true, locations: true }

function sentenceOf(err) {
  return err.message.replace(/ \(\d+:\d+\)$/, '').replace(/^./, (c) => c.toLowerCase())
}

function parse(text, options) {
  try {
    return { tree: Parser.parse(text, { ...BASE, ...options }) }
  } catch (err) {
    if (err.pos === undefined) throw err
    return { why: sentenceOf(err), ...placeOf(text, err.pos) }
  }
}

// The text as an expression, with a problem for what JavaScript has and JSON has not.
function parseJson(text) {
  const extra = []
  const options = {
    onComment: (block, body, start) => extra.push({ at: start, why: 'JSON has no comments (a warren.config.mjs has)' }),
    onTrailingComma: (at) => extra.push({ at, why: 'JSON has no comma before a closing bracket' }),
  }
  try {
    const tree = Parser.parseExpressionAt(text, 0, { ...BASE, ...options })
    const rest = text.slice(tree.end).search(/\S/)
    if (rest >= 0 && !text.slice(tree.end).trimStart().startsWith('/')) {
      return { why: 'something follows the end of the object', ...placeOf(text, tree.end + rest) }
    }
    if (extra.length > 0) return { why: extra[0].why, ...placeOf(text, extra[0].at) }
    return { tree }
  } catch (err) {
    if (err.pos === undefined) throw err
    const why = text.trim() === '' ? 'it is empty' : sentenceOf(err)
    return { why, ...placeOf(text, err.pos) }
  }
}

function parseModule(text) {
  const module = parse(text, { sourceType: 'module' })
  if (module.tree !== undefined) return module
  const script = parse(text, { sourceType: 'script', allowReturnOutsideFunction: true, allowAwaitOutsideFunction: true })
  return script.tree !== undefined ? script : module
}

// ---- which expression is the configuration

function isExports(node) {
  return node.type === 'MemberExpression' && node.object.name === 'module' && node.property.name === 'exports'
}

function exported(body) {
  for (const node of body) {
    if (node.type === 'ExportDefaultDeclaration') return node.declaration
    const { expression } = node
    if (node.type === 'ExpressionStatement' && expression.type === 'AssignmentExpression' && isExports(expression.left)) {
      return expression.right
    }
  }
  return undefined
}

function namedIn(body, name) {
  for (const node of body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node
    if (declaration?.type !== 'VariableDeclaration') continue
    const found = declaration.declarations.find(({ id }) => id.name === name)
    if (found?.init) return found.init
  }
  return undefined
}

// Through names, defineConfig(...) and functions, to the object or list that stands there; or undefined.
function unwrap(node, body, left = 10) {
  if (node == null || left === 0) return undefined
  const go = (inner) => unwrap(inner, body, left - 1)
  switch (node.type) {
    case 'ObjectExpression':
    case 'ArrayExpression': return node
    case 'Identifier': return go(namedIn(body, node.name))
    case 'CallExpression': return go(node.arguments[0])
    case 'AwaitExpression': return go(node.argument)
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
    case 'FunctionDeclaration':
      if (node.body.type !== 'BlockStatement') return go(node.body)
      return go(node.body.body.find(({ type }) => type === 'ReturnStatement')?.argument)
    default: return undefined
  }
}

function keyOf(property) {
  if (property.type !== 'Property' || property.computed) return undefined
  return property.key.type === 'Identifier' ? property.key.name : String(property.key.value)
}

class Source {
  #root
  #body
  #prefix

  constructor(tree, prefix) {
    this.#body = tree.type === 'Program' ? tree.body : []
    this.#root = tree.type === 'Program' ? unwrap(exported(tree.body), tree.body) : tree
    this.#prefix = prefix
  }

  // { line, column } where the key or item of this path begins; undefined: it is made by code.
  locate(path) {
    let value = unwrap(this.#root, this.#body)
    let place = value
    for (const key of [...this.#prefix, ...path]) {
      if (value?.type === 'ObjectExpression') {
        place = value.properties.findLast?.((p) => keyOf(p) === key) ?? value.properties.filter((p) => keyOf(p) === key).at(-1)
        value = unwrap(place?.value, this.#body)
      } else {
        place = value?.type === 'ArrayExpression' ? value.elements[Number(key)] : undefined
        value = unwrap(place, this.#body)
      }
      if (place == null) return undefined
    }
    return place == null ? undefined : { line: place.loc.start.line, column: place.loc.start.column + 1 }
  }

  // each(path, place): keys that stand twice in one object: JavaScript would silently take the last.
  eachDuplicate(each) {
    const visit = (node, path, left) => {
      const value = left > 0 ? unwrap(node, this.#body) : undefined
      if (value?.type === 'ArrayExpression') value.elements.forEach((item, i) => visit(item, [...path, String(i)], left - 1))
      if (value?.type !== 'ObjectExpression') return
      const seen = new Set()
      for (const property of value.properties) {
        const key = keyOf(property)
        if (key === undefined) continue
        if (seen.has(key)) each([...path, key], { line: property.loc.start.line, column: property.loc.start.column + 1 })
        seen.add(key)
        visit(property.value, [...path, key], left - 1)
      }
    }
    let node = this.#root
    for (const key of this.#prefix) node = node?.properties?.find((p) => keyOf(p) === key)?.value
    visit(node, [], 16)
  }
}

// { text, source } or { why, line, column }. `prefix`: where in the file the configuration is.
function readSource(bytes, { isJson, prefix }) {
  const { text, why } = textOf(bytes)
  if (why !== undefined) return { why }
  if (isTooDeep(text)) return { why: `is nested too deeply: ${NESTING_MAX} brackets are the most` }
  const parsed = isJson ? parseJson(text) : parseModule(text)
  return parsed.tree === undefined ? parsed : { text, source: new Source(parsed.tree, prefix) }
}

module.exports = { readSource }
