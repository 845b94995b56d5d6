// Which files are left out, in trees and by lines that are made up: git itself says what is right.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

const SEEDS = Number(process.env.IGNORE_SEEDS ?? 20)
const FIRST = Number(process.env.IGNORE_SEED ?? 1)

// mulberry32
function dice(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (count) => Math.floor(next() * count)
  return { below, one: (list) => list[below(list.length)], chance: (p) => next() < p }
}

const NAMES = ['a', 'b', 'ab', 'foo', 'bar', 'foo.js', 'bar.log', 'a.b.log', 'build', 'x y', 'end ', '[b]', '#c', '!d', 'e\\f', 'star*', 'q?', '.hidden', 'Foo', 'ü']
const PARTS = ['a', 'b', 'ab', 'foo', 'bar', 'foo.js', 'bar.log', 'build', '*', '*.log', '*.js', 'a*', '*b', 'f?o', '??', '[ab]', '[!a]*', '[^b]', '[a-c]*', '[[:alpha:]]*', '[]a]',
  '**', '**', 'a**', '***', '\\#c', '\\!d', 'x y', 'end\\ ', 'e\\\\f', '\\[b\\]', 'star\\*', 'q\\?', '[', 'a[', 'a\\', '.*', 'F*', 'ü', '[a/]b', '[[:digit:]]', '[a-]*', '[\\]a]*']

function line({ below, one, chance }) {
  const kind = below(20)
  if (kind === 0) return one(['# comment', '', '   ', '!', '/', '//', '\\'])
  let text = Array.from({ length: chance(0.5) ? 1 : 1 + below(3) }, () => one(PARTS)).join('/')
  // What comes before the first wildcard git compares by itself, and takes ** behind it for one that stands alone.
  text = text.replace(/a\*\*(?=\/)/g, 'a*')
  if (chance(0.2)) text = `/${text}`
  if (chance(0.2)) text += '/'
  if (chance(0.25)) text = `!${text}`
  if (chance(0.05)) text += one([' ', '  ', '\t'])
  return text
}

function ignoreText(roll) {
  const lines = Array.from({ length: 1 + roll.below(6) }, () => line(roll))
  const end = roll.one(['\n', '\n', '\n', '\r\n'])
  return (roll.chance(0.05) ? '\ufeff' : '') + lines.join(end) + (roll.chance(0.8) ? end : '')
}

function plant(roll, dir, ignoreName, depth) {
  fs.mkdirSync(dir, { recursive: true })
  if (depth === 0 || roll.chance(0.3)) fs.writeFileSync(path.join(dir, ignoreName), ignoreText(roll))
  for (let i = 2 + roll.below(6); i > 0; i--) {
    const name = path.join(dir, roll.one(NAMES))
    if (fs.lstatSync(name, { throwIfNoEntry: false })) continue
    if (depth < 4 && roll.chance(0.45)) plant(roll, name, ignoreName, depth + 1)
    else if (roll.chance(0.1)) fs.symlinkSync('a', name)
    else fs.writeFileSync(name, '')
  }
}

function gitFiles(box, ignoreName) {
  const env = { ...box.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const git = (...args) => {
    const end = spawnSync('git', ['-C', box.project, ...args], { env, encoding: 'utf8' })
    assert.equal(end.status, 0, end.stderr)
    return end.stdout
  }
  git('init', '-q')
  const rules = ignoreName === '.gitignore' ? ['--exclude-standard'] : [`--exclude-per-directory=${ignoreName}`]
  return git('ls-files', '-z', '--others', '--cached', ...rules).split('\0').filter(Boolean)
}

for (const ignoreName of ['.gitignore', '.warrenignore'])
  test(`${ignoreName} is read as git reads it`, async (t) => {
    if (spawnSync('git', ['--version']).status !== 0) return t.skip('there is no git here')
    const box = await Sandbox.open(t)
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      fs.rmSync(box.project, { recursive: true })
      plant(dice(seed), box.project, ignoreName, 0)
      box.write('always.js', '')
      if (ignoreName === '.warrenignore') box.write('.gitignore', '*\n') // nobody asks it
      const wanted = gitFiles(box, ignoreName)
      const end = await box.done(['bundle', '--list', '--json'])
      const got = end.stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text)).filter(({ kind }) => kind !== 'directory').map(({ path: name }) => name)
      const areLinks = wanted.every((name) => fs.lstatSync(box.path(name)).isSymbolicLink())
      if (areLinks && end.code === 2) continue // no file is left
      assert.equal(end.code, 0, `IGNORE_SEED=${seed}: ${end.stderr}`)
      assert.deepEqual(got.sort(), wanted.sort(), `IGNORE_SEED=${seed}`)
    }
  })
