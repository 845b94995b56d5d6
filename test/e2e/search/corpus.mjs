// Files for the search to find, and grep's word on which of them hold a word.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

// The files that hold any of the words, sorted, as grep and gzip see it.
export function grep(words, directories) {
  const patterns = words.flatMap(word => ['-e', word])
  const env = { ...process.env, LC_ALL: 'C.UTF-8' }
  // -a, because grep takes a file for binary for one letter that is not UTF-8. The file whose name is not text is left
  // out: JSON can't name it.
  const options = ['-railwFZ', '-D', 'skip', '--exclude=binary', '--exclude=*.gz']
  const { stdout } = spawnSync('grep', [...options, ...patterns, ...directories], { env })
  const plain = stdout.toString().split('\0').filter(path => path !== '' && !path.includes('\ufffd'))

  const packed = directories.flatMap(directory => [...walk(directory)]).filter(path => path.endsWith('.gz'))
  const isIn = path => {
    const unpacked = spawnSync('gzip', ['-dc', path])
    return unpacked.status === 0 && spawnSync('grep', ['-qiwF', ...patterns], { env, input: unpacked.stdout }).status === 0
  }
  return [...plain, ...packed.filter(isIn)].sort()
}

// Every so many of all terms of the corpus: common and rare ones, numbers, identifiers.
export function someTerms(directories, step) {
  const texts = directories.flatMap(directory => [...walk(directory)]).map(path => readText(path).text ?? '')
  return [...new Set(texts.flatMap(termsOf))].sort().filter((_, i) => i % step === 0)
}
