// Which of several gets a message: what users give as `key` and `tags`, as the bytes that C takes.
'use strict'

const { badArgument } = require('./errors.js')
const { Name, NONE } = require('./names.js')

const LEN_MAX = 255 // of a key; of all tags together

// eslint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u0020\u007f,]|\p{Surrogate}/u

// {zone: 'a', disk: 'ssd'} -> bytes of `zone=a,disk=ssd`
function tagsOf(tags) {
  if (tags === undefined) return NONE
  if (typeof tags !== 'object' || tags === null) throw badArgument(TypeError, 'tags must be an object of texts')
  const pairs = []
  for (const [key, value] of Object.entries(tags)) {
    const isFit = typeof value === 'string' && key !== '' && !key.includes('=') && !UNFIT.test(key) && !UNFIT.test(value)
    if (!isFit) throw badArgument(TypeError, `tag ${JSON.stringify(key)} must be a text, without blanks and commas, and its key without =`)
    pairs.push(`${key}=${value}`)
  }
  const name = Name.of(pairs.join(','))
  if (name.len > LEN_MAX) throw badArgument(RangeError, `tags must have at most ${LEN_MAX} bytes together`)
  return name
}

function keyOf(key) {
  if (key === undefined) return NONE
  if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') {
    throw badArgument(TypeError, 'key must be a text or a number')
  }
  const name = Name.of(String(key))
  if (name.len === 0 || name.len > LEN_MAX) throw badArgument(RangeError, `key must have 1 to ${LEN_MAX} bytes`)
  return name
}

// As mesh/core/version.h has them: 2.1.0, 2.1.0-rc.1; 2, 2.1, ^2.1
const NUMBER = '(0|[1-9]\\d{0,8})'
const VERSION = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}(-[0-9A-Za-z.-]{1,64})?$`)
const RANGE = new RegExp(`^\\^?${NUMBER}(\\.${NUMBER}){0,2}$`)

function isText(value, pattern) {
  return typeof value === 'string' && pattern.test(value)
}

// The tags of what is offered in this version.
function offeredTags({ tags, version }) {
  if (version === undefined) return tags
  if (!isText(version, VERSION)) throw badArgument(TypeError, "version must be a text like '2.1.0' or '2.1.0-rc.1'")
  return { ...tags, version }
}

function wantedTags({ tags, version }) {
  if (version === undefined) return tags
  if (!isText(version, RANGE) && !isText(version, VERSION)) throw badArgument(TypeError, "version must be a text like '2', '2.1', '2.1.0' or '^2.1'")
  return { ...tags, version }
}

// What stands behind the other names of a command, and the lengths in its word `extra`; undefined: anyone will do.
function pickOf({ key, tags, version }) {
  if (key === undefined && tags === undefined && version === undefined) return undefined
  const keyName = keyOf(key)
  const tagName = tagsOf(wantedTags({ tags, version }))
  return { name: Name.join(keyName, tagName), extra: (keyName.len << 8) | (tagName.len << 16) }
}

module.exports = { offeredTags, pickOf }
