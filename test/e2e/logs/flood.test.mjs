// Nodes that write without end slow themselves: not the agent, and not what others write.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { once } from 'node:events'
import { test } from 'node:test'
import { Sandbox, tell } from './sandbox.mjs'

const TICKS_PER_S = 100

// Processor time of a process so far, in seconds.
function cpuOf(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1]

async function psTimes(box, count) {
  const times = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    assert.equal((await box.done(['ps'])).code, 0)
    times.push(performance.now() - start)
  }
  return times
}

test('a flood of output slows its nodes alone', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'teller.js'])
  const teller = await box.probes.next()
  const follower = box.warren(['logs', '-f', 'teller', '--no-prefix'])
  const echo = async (word) => {
    const start = performance.now()
    tell(teller, { stdout: `${word}\n` })
    await follower.until(new RegExp(`^${word}$`, 'm'))
    return performance.now() - start
  }
  const echoes = async (word) => {
    const times = []
    for (let i = 0; i < 20; i++) times.push(await echo(`${word}${i}`))
    return median(times)
  }
  const quiet = { ps: median(await psTimes(box, 10)), echo: await echoes('quiet') }

  await box.done(['run', '-d', 'flood.js', '-i', '2', '--log-size', '1M', '--log-files', '2'])
  const floods = await box.probes.take(2)
  const writtenOf = ({ said }) => said.at(-1)?.written ?? 0
  for (const flood of floods) while (writtenOf(flood) === 0) await once(flood.socket, 'data') // it has had to wait
  const start = performance.now(), cpu = cpuOf(agent.pid), written = floods.map(writtenOf)
  const loud = { ps: median(await psTimes(box, 20)), echo: await echoes('loud') }
  // Enough of it, so that what their pipes held at the beginning does not count.
  const all = () => floods.reduce((sum, flood, i) => sum + writtenOf(flood) - written[i], 0)
  while (all() < 100e6) await Promise.race(floods.map(({ socket }) => once(socket, 'data')))
  const seconds = (performance.now() - start) / 1000
  const rate = all() / 1e6 / seconds
  const share = ((cpuOf(agent.pid) - cpu) / seconds) * 100
  const peak = Number(fs.readFileSync(`/proc/${agent.pid}/status`, 'utf8').match(/VmHWM:\s*(\d+) kB/)[1])
  const ms = ({ ps, echo }) => `warren ps ${ps.toFixed(1)} ms, another node's line ${echo.toFixed(1)} ms`
  console.log(`# figure quiet: ${ms(quiet)}`)
  console.log(`# figure two nodes write ${rate.toFixed(0)} MB/s: ${ms(loud)}; agent ${share.toFixed(0)} % of a core, at most ${(peak / 1024).toFixed(1)} MiB`)
  // What was taken was taken in turns: no more than there is for all.
  assert.ok(rate < 80, `${rate} MB/s`)
  if (!process.env.SANITIZE) assert.ok(peak < 24 << 10, `${peak} KiB`)
  assert.equal((await box.done(['stop', 'flood'])).code, 0)
  assert.ok(box.logFiles('flood').every(({ size }) => size <= 1 << 20)) // they are renamed no more
})
