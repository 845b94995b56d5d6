// Text as the search sees it: which files have any, which words it is made of, which line to show.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

export const FILE_LEN_MAX = 4 << 20
export const TERM_LEN_MAX = 64
export const SNIPPET_LEN_MAX = 160

// A term is a run of letters, digits and underscores in lower case, so that words of prose and identifiers of
// programs are found alike. Documents and queries go through this one function. Longer runs are encoded data.
export function termsOf(text) {
  const runs = text.toLowerCase().match(/[\p{L}\p{M}\p{N}_]+/gu) ?? []
  return runs.filter(run => run.length <= TERM_LEN_MAX)
}

// The text of one file, unpacked when it is gzip: { text, bytes }, or { skipped: why } for what has none.
// It reads synchronously on purpose: four trips through the thread pool cost more than most files do, and the
// shard looks after its messages between two files.
export function readText(path) {
  const { data, skipped } = readWhole(path)
  if (skipped) return { skipped }

  const plain = isGzip(data) ? unpack(data) : { data }
  if (plain.skipped) return plain
  if (plain.data.includes(0)) return { skipped: 'binary' }
  return { text: plain.data.toString(), bytes: plain.data.length }
}

// The line that has most of the terms, to show under a hit: { line, snippet }, or null when none has any.
export function snippetOf(text, terms) {
  const lines = text.split('\n')
  let best = { found: 0 }
  for (let i = 0; i < lines.length && best.found < terms.length; i++) {
    const words = new Set(termsOf(lines[i]))
    const found = terms.filter(term => words.has(term)).length
    if (found > best.found) best = { found, line: i + 1 }
  }
  return best.found === 0 ? null : { line: best.line, snippet: shorten(lines[best.line - 1], terms) }
}

function readWhole(path) {
  let fd
  try {
    // The walk saw a regular file; if a pipe has taken its place, O_NONBLOCK keeps us from waiting for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = fstatSync(fd)
    if (!info.isFile()) return { skipped: 'unreadable' }
    if (info.size > FILE_LEN_MAX) return { skipped: 'too large' }

    const data = Buffer.allocUnsafe(info.size)
    let len = 0
    for (let n = -1; n !== 0 && len < data.length; len += n) n = readSync(fd, data, len, data.length - len)
    return { data: data.subarray(0, len) }
  } catch {
    return { skipped: 'unreadable' }
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function isGzip(data) {
  return data[0] === 0x1f && data[1] === 0x8b
}

function unpack(data) {
  try {
    return { data: gunzipSync(data, { maxOutputLength: FILE_LEN_MAX }) }
  } catch (error) {
    return { skipped: error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : 'unreadable' }
  }
}

// One printable line (files may hold terminal escapes), cut around the first term when it is long.
function shorten(line, terms) {
  const clean = line.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  if (clean.length <= SNIPPET_LEN_MAX) return clean

  const lower = clean.toLowerCase()
  const at = Math.min(...terms.map(term => lower.indexOf(term)).filter(i => i >= 0))
  const start = Math.max(0, Math.min(at - 40, clean.length - SNIPPET_LEN_MAX))
  return clean.slice(start, start + SNIPPET_LEN_MAX)
}
