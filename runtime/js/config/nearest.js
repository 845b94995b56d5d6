// "did you mean": the word that was probably meant.
'use strict'

// What other tools call it.
const ELSEWHERE = {
  script: 'entry', main: 'entry', program: 'entry', file: 'entry', exec: 'entry', command: 'entry',
  replicas: 'instances', scale: 'instances', environment: 'env', env_file: 'envFile', dotenv: 'envFile',
  node_args: 'nodeArgs', interpreter_args: 'nodeArgs', execArgv: 'nodeArgs', memory: 'limits.memory', cpu: 'limits.cpu',
  max_memory_restart: 'limits.memory', resources: 'limits', kill_timeout: 'stop.grace', grace: 'stop.grace',
  signal: 'stop.signal', stopSignal: 'stop.signal', ready: 'health.ready', wait_ready: 'health.ready', healthcheck: 'health',
  listen_timeout: 'health.timeout', max_restarts: 'restart.max', autorestart: 'restart', port: 'ports', strategy: 'group.strategy',
  workdir: 'cwd', apps: 'services', project: 'name', parallelism: 'parallel',
}

// How many letters must be changed, added, left out, or swapped with the next one.
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)]
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let k = 1; k <= b.length; k++) {
      const cost = a[i - 1] === b[k - 1] ? 0 : 1
      rows[i][k] = Math.min(rows[i - 1][k] + 1, rows[i][k - 1] + 1, rows[i - 1][k - 1] + cost)
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1]) {
        rows[i][k] = Math.min(rows[i][k], rows[i - 2][k - 2] + 1)
      }
    }
  }
  return rows[a.length][b.length]
}

// One of `words`, or undefined. `isKey`: also what other tools call a setting, where its first part is one of `words`.
function nearest(typed, words, isKey = false) {
  if (isKey && Object.hasOwn(ELSEWHERE, typed) && words.includes(ELSEWHERE[typed].split('.')[0])) return ELSEWHERE[typed]
  if (typed.length > 64) return undefined
  const [best] = words
    .map((word) => ({ word, steps: distance(typed.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps)
  return best !== undefined && best.steps <= Math.max(1, Math.floor(best.word.length / 3)) ? best.word : undefined
}

module.exports = { nearest }
