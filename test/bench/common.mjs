// The workloads, the same for every peer. A peer (peers/NAME.mjs) is a way to pass messages from one leader process to
// its followers; it exports two functions:
//
//   follow({ onMessage, onCall })   in a follower: hands every message over, answers every call with what onCall returns
//   lead({ entry, args })           in the leader; `entry args` is the program of a follower. Gives
//     prepare()                       what is there before the clock of a launch starts
//     start(count)                    resolves when `count` followers are connected
//     call(i, message)                resolves to the answer of follower i
//     send(i, message)                one way; a promise when the sender should wait before it goes on
//     sendAll(message)                one way to every follower; a promise as above
//     pids()                          { followers, others }: every process that this peer needs
//     stop()
//
// Each message carries its number and is checked where it arrives (messages.mjs); a lost, repeated or changed one fails
// the run.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { messagesOf } from './messages.mjs'

const WARM_UP_MS = 300
const MEASURE_MS = 1000
const SAMPLES_MIN = 300
const SAMPLES_MAX = 200_000
const IDLE_MS = 10_000 // what a collector does a few seconds later belongs to an idle process too

// --- workloads ------------------------------------------------------------------------------------------------------

/** W1: one call after the other. */
async function rtt(peer, kind) {
  const { make, isRight } = messagesOf(kind)
  const samples = new Float64Array(SAMPLES_MAX)
  let next = 0

  async function run(forMs, samplesMin) {
    const until = performance.now() + forMs
    let count = 0
    for (let now = performance.now(); count < SAMPLES_MAX && (now < until || count < samplesMin); count++) {
      const before = now
      const i = next++
      const answer = await peer.call(0, make(i))
      now = performance.now()
      if (!isRight(answer, i)) throw new Error(`wrong answer to call ${i}`)
      samples[count] = (now - before) * 1000
    }
    return samples.subarray(0, count).sort()
  }
  await run(WARM_UP_MS, 10)
  const sorted = await run(MEASURE_MS, SAMPLES_MIN)
  return { p50: sorted[sorted.length >> 1], p99: sorted[Math.floor(sorted.length * 0.99)], samples: sorted.length }
}

/** Sends for a while with send(i-th message), asks every follower for its report; gives messages per second. */
async function pump(peer, kind, count, send) {
  const { make } = messagesOf(kind)
  async function run(forMs) {
    const start = performance.now()
    let sent = 0
    while (sent % 64 !== 0 || performance.now() - start < forMs) {
      const wait = send(make(sent++))
      if (wait !== undefined) await wait
    }
    const reports = await Promise.all(Array.from({ length: count }, (_, i) => peer.call(i, { report: sent })))
    for (const { received, wrong } of reports) {
      if (received !== sent || wrong !== 0) throw new Error(`${sent} sent, ${received} received, ${wrong} wrong`)
    }
    return { perSecond: (sent * count * 1000) / (performance.now() - start), samples: sent * count }
  }
  await run(WARM_UP_MS)
  return run(MEASURE_MS)
}

/** W2: one sender, one receiver. */
const oneWay = (peer, kind) => pump(peer, kind, 1, (message) => peer.send(0, message))

/** W4: one publisher, eight subscribers. */
const fanout = (peer, kind, count) => pump(peer, kind, count, (message) => peer.sendAll(message))

/** W3: 64 calls outstanding. */
async function calls(peer, kind) {
  const { make, isRight } = messagesOf(kind)
  async function run(forMs) {
    const start = performance.now()
    let answered = 0
    async function caller() {
      while (performance.now() - start < forMs) {
        const i = answered++
        if (!isRight(await peer.call(0, make(i)), i)) throw new Error(`wrong answer to call ${i}`)
      }
    }
    await Promise.all(Array.from({ length: 64 }, caller))
    return { perSecond: (answered * 1000) / (performance.now() - start), samples: answered }
  }
  await run(WARM_UP_MS)
  return run(MEASURE_MS)
}

/** W5: from the command until every follower has answered one call. */
async function launch(peer, kind, count, start) {
  const { make, isRight } = messagesOf(kind)
  const began = performance.now()
  await start()
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => peer.call(i, make(i))))
  const ms = performance.now() - began
  if (!answers.every((answer, i) => isRight(answer, i))) throw new Error('wrong answer')
  return { ms, samples: count }
}

/** The same, and the memory of all of them when they have been idle for a while. */
async function launchAndWeigh(peer, kind, count, start) {
  const { ms, samples } = await launch(peer, kind, count, start)
  await sleep(IDLE_MS)
  const { followers, others } = peer.pids()
  if (followers.length !== count) throw new Error(`${followers.length} processes for ${count} followers`)
  const pss = [...followers, ...others].reduce((sum, pid) => sum + memoryOf(pid).Pss, 0)
  const dirty = followers.reduce((sum, pid) => sum + memoryOf(pid).Private_Dirty, 0)
  return { ms, pssMiB: pss / 1024, privateMiB: dirty / count / 1024, samples }
}

/** Kilobytes by name, from the kernel's smaps_rollup. */
function memoryOf(pid) {
  const lines = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm)
  return Object.fromEntries(Array.from(lines, ([, name, kB]) => [name, Number(kB)]))
}

export const workloads = {
  rtt: { run: rtt, kinds: ['small', '1KiB', '64KiB'], followers: 1 },
  oneWay: { run: oneWay, kinds: ['small', '1KiB', '64KiB'], followers: 1 },
  calls: { run: calls, kinds: ['small'], followers: 1 },
  fanout: { run: fanout, kinds: ['small'], followers: 8 },
  launch1: { run: launch, kinds: ['small'], followers: 1, isLaunch: true },
  launch50: { run: launchAndWeigh, kinds: ['small'], followers: 50, isLaunch: true },
}

/** Runs one workload with one peer in this process, the leader. */
export async function measure(peer, name, kind) {
  const { run, followers, isLaunch } = workloads[name]
  await peer.prepare()
  try {
    const start = () => peer.start(followers)
    if (!isLaunch) await start()
    return await run(peer, kind, followers, start)
  } finally {
    await peer.stop()
  }
}
