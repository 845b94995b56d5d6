// What the demo prints. On a terminal progress is one line that changes, elsewhere a line every two seconds.
const { stdout } = process
const PLAIN_PROGRESS_MS = 2000
let plainProgressAt = 0

export const number = n => n.toLocaleString('en')

export function say(line = '') {
  stdout.write(`${stdout.isTTY ? '\r\x1b[K' : ''}${line}\n`)
}

// A line of at most the terminal's width, without what a file's name could do to the terminal.
function sayCut(line) {
  const clean = line.replace(/\p{Cc}/gu, '?')
  say(stdout.isTTY ? clean.slice(0, stdout.columns) : clean)
}

export function showProgress({ files, found, filesPerSecond, bytes, shards }) {
  const parts = shards.map(shard => `${shard.name} ${number(shard.files)}`).join(' · ')
  const line = `  ${number(files)} of ${number(found)} files · ${number(filesPerSecond)} files/s · ${megabytes(bytes)} · ${parts}`
  if (stdout.isTTY) return stdout.write(`\r\x1b[K${line.slice(0, stdout.columns - 1)}`)
  if (performance.now() - plainProgressAt < PLAIN_PROGRESS_MS) return
  plainProgressAt = performance.now()
  say(line)
}

export function showIndexed({ files, found, filesPerSecond, bytes, seconds, skipped, capped }) {
  const left = Object.entries(skipped).map(([why, count]) => `${number(count)} ${why}`)
  say(`  indexed ${number(files)} files, ${megabytes(bytes)} of text, in ${seconds.toFixed(1)} s: ${number(filesPerSecond)} files/s`)
  if (left.length > 0) say(`  left out: ${left.join(', ')}`)
  if (capped) say(`  there are more: stopped at ${number(found)} files (--max-files)`)
}

export function showAnswer({ query, total, ms, front, hits }) {
  say(`\n"${query}": ${number(total)} matches in ${ms.toFixed(1)} ms, answered by ${front}`)
  for (const { score, path, line, snippet = '' } of hits.slice(0, 3)) {
    sayCut(`  ${score.toFixed(2).padStart(6)}  ${path}${line ? `:${line}` : ''}`)
    if (snippet) sayCut(`          ${snippet}`)
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
