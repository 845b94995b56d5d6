// Files for the search to find, and grep's word on which of them hold a word.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readText, termsOf } from '../../../examples/search/text.mjs'
import { walk } from '../../../examples/search/walk.mjs'

export const LICENSES = '/usr/share/common-licenses'
const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'epoll_wait', 'MUTEX', 'Zebra9', 'größe', 'free', 'licence']

// Some hundred files of every kind; `remove()` when done.
export function makeCorpus() {
  const root = mkdtempSync(join(tmpdir(), 'search-corpus-'))
  const put = (name, content) => writeFileSync(Buffer.isBuffer(name) ? name : join(root, name), content)
  for (const directory of ['text', 'packed', 'odd names', 'empty']) mkdirSync(join(root, directory))

  for (let i = 0; i < 300; i++) put(`text/${i}.txt`, prose(i))
  for (let i = 0; i < 60; i++) put(`packed/${i}.gz`, gzipSync(prose(1000 + i)))
  const license = readFileSync(join(LICENSES, 'GPL-2'))
  put('packed/GPL-2.gz', gzipSync(license))

  for (const name of ['two\nlines', '-v', '$(touch x)', "it's", 'größe', ' ', 'a&b?c=d#e%20']) {
    put(`odd names/${name}`, `alpha under an odd name ${name}`)
  }
  put(Buffer.from(`${root}/odd names/\xff`, 'latin1'), 'alpha under a name that is not UTF-8')
  put('empty/nothing', '')
  put('empty/nothing.gz', gzipSync(''))
  put('binary', Buffer.concat([Buffer.from('alpha beta\0'), license]))
  put('damaged.gz', gzipSync(license).subarray(0, 200))
  put('latin1', Buffer.from('gr\xf6\xdfe alpha', 'latin1'))
  symlinkSync('text', join(root, 'link'))
  symlinkSync('..', join(root, 'empty/loop'))
  execFileSync('mkfifo', [join(root, 'pipe')])
  return { root, remove: () => rmSync(root, { recursive: true }) }
}

// Some lines of words that are the same for the same number.
function prose(number) {
  const text = []
  for (let state = number + 1, i = 0; i < 5 + (number % 50); i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const word = WORDS[Math.floor(((state / 2 ** 32) ** 2) * WORDS.length)]
    text.push(state % 3 === 0 ? word : `${word}${state % 7}`, state % 5 === 0 ? '-' : state % 11 === 0 ? '\n' : ' ')
  }
  return text.join('')
}

// grep over the same files: what is packed is unpacked beside them first.
export class Grep {
  #directories
  #unpacked = mkdtempSync(join(tmpdir(), 'search-unpacked-'))
  #packedPaths = []

  constructor(directories) {
    this.#directories = directories
    for (const path of directories.flatMap(directory => [...walk(directory)])) {
      if (!path.endsWith('.gz')) continue
      const { status, stdout } = spawnSync('gzip', ['-dc', path])
      if (status === 0) writeFileSync(join(this.#unpacked, String(this.#packedPaths.push(path) - 1)), stdout)
    }
  }

  // The files with any of the words, sorted.
  files(...words) {
    const plain = this.#list(words, ['--exclude=*.gz', '--exclude=binary', ...this.#directories])
    const packed = this.#list(words, [this.#unpacked]).map(path => this.#packedPaths[Number(basename(path))])
    // JSON can't name the file whose name is not text.
    return [...plain.filter(path => !path.includes('\ufffd')), ...packed].sort()
  }

  remove() {
    rmSync(this.#unpacked, { recursive: true })
  }

  // -a, because grep takes a file for binary for one letter that is not UTF-8.
  #list(words, args) {
    const patterns = words.flatMap(word => ['-e', word])
    const env = { ...process.env, LC_ALL: 'C.UTF-8' }
    const { stdout } = spawnSync('grep', ['-railwFZ', '-D', 'skip', ...patterns, ...args], { env })
    return stdout.toString().split('\0').slice(0, -1)
  }
}

// Every so many of all terms of the corpus: common and rare ones, numbers, identifiers.
export function someTerms(directories, step) {
  const texts = directories.flatMap(directory => [...walk(directory)]).map(path => readText(path).text ?? '')
  return [...new Set(texts.flatMap(termsOf))].sort().filter((_, i) => i % step === 0)
}
