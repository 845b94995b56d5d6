// The search example's idea of text: tokens, files, snippets.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { FILE_LEN_MAX, readText, SNIPPET_LEN_MAX, snippetOf, termsOf } from '../../../examples/search/text.mjs'

const dir = mkdtempSync(join(tmpdir(), 'search-text-'))
after(() => rmSync(dir, { recursive: true }))

function file(name, content) {
  const path = join(dir, name)
  writeFileSync(path, content)
  return path
}

test('words and identifiers become lower-case terms', () => {
  assert.deepEqual(termsOf('The GNU_C library: uv_loop_t *loop2, "Free-Software".'), [
    'the', 'gnu_c', 'library', 'uv_loop_t', 'loop2', 'free', 'software'
  ])
})

test('letters of other scripts are letters', () => {
  assert.deepEqual(termsOf('Größe, Ελλάδα—日本 naïve'), ['größe', 'ελλάδα', '日本', 'naïve'])
})

test('text without words has no terms, and encoded data is left out', () => {
  assert.deepEqual(termsOf(' \n--- ... !'), [])
  assert.deepEqual(termsOf(`key ${'A'.repeat(64)} ${'A'.repeat(65)}`), ['key', 'a'.repeat(64)])
})

test('a plain file is read as it is, an empty one too', () => {
  assert.deepEqual(readText(file('plain', 'hello\n')), { text: 'hello\n', bytes: 6 })
  assert.deepEqual(readText(file('empty', '')), { text: '', bytes: 0 })
})

test('a gzip file is known by its first bytes, not by its name', () => {
  const twoMembers = Buffer.concat([gzipSync('one '), gzipSync('two')])
  assert.deepEqual(readText(file('packed.txt', twoMembers)), { text: 'one two', bytes: 7 })
})

test('a file with a zero byte is binary, packed or not', () => {
  assert.deepEqual(readText(file('binary', 'ELF\0code')), { skipped: 'binary' })
  assert.deepEqual(readText(file('binary.gz', gzipSync('tar\0ball'))), { skipped: 'binary' })
})

test('a file over the limit is not read, nor one that would grow over it when unpacked', () => {
  const sparse = file('sparse', '')
  truncateSync(sparse, FILE_LEN_MAX + 1)
  assert.deepEqual(readText(sparse), { skipped: 'too large' })
  assert.deepEqual(readText(file('bomb.gz', gzipSync(Buffer.alloc(FILE_LEN_MAX + 1, 'x')))), { skipped: 'too large' })
  assert.equal(readText(file('largest', Buffer.alloc(FILE_LEN_MAX, 'x'))).bytes, FILE_LEN_MAX)
})

test('what can not be read is told, not thrown', () => {
  assert.deepEqual(readText(join(dir, 'nothing-here')), { skipped: 'unreadable' })
  assert.deepEqual(readText(dir), { skipped: 'unreadable' })
  assert.deepEqual(readText(file('cut.gz', gzipSync('some words').subarray(0, 15))), { skipped: 'unreadable' })
})

test('a pipe where a file was does not hold the reader up', () => {
  const pipe = join(dir, 'pipe')
  execFileSync('mkfifo', [pipe])
  assert.deepEqual(readText(pipe), { skipped: 'unreadable' })
})

test('text that is not UTF-8 keeps its other words', () => {
  const { text } = readText(file('latin1', Buffer.from('un café noir', 'latin1')))
  assert.deepEqual(termsOf(text), ['un', 'caf', 'noir'])
})

test('a snippet is the first line with most of the terms', () => {
  const text = 'free beer\nsoftware\n  Free\tSoftware, \x1b[31mfree\x1b[0m speech\nfree software'
  assert.deepEqual(snippetOf(text, ['free', 'software']), { line: 3, snippet: 'Free Software, [31mfree [0m speech' })
  assert.equal(snippetOf(text, ['absent']), null)
})

test('a long line is cut around the term', () => {
  const { snippet } = snippetOf(`${'x '.repeat(500)}needle${' y'.repeat(500)}`, ['needle'])
  assert.equal(snippet.length, SNIPPET_LEN_MAX)
  assert.match(snippet, /needle/)
})
