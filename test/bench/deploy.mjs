// What a deployment costs: 20 of them on three hosts while wrk asks all of them, and how many requests failed; bytes that a changed
// line ships, and seconds from the command to ready.
//   node test/bench/deploy.mjs [--deploys=20] [--store=etcd|host]        (after make build)
// It makes hosts of network namespaces, so it needs root; etcd and wrk as tools/setup.sh test has them.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const bin = fileURLToPath(new URL('../../build/bin', import.meta.url))
process.env.WARREN ??= `${bin}/warren`
process.env.WARREN_NODE ??= `${bin}/warren-node`
const { Deployment } = await import('../e2e/deploy/hosts.mjs')

const { values: options } = parseArgs({ options: { deploys: { type: 'string', default: '20' }, store: { type: 'string', default: 'etcd' } } })
const deploys = Number(options.deploys)
const after = []
const t = { after: (hook) => after.push(hook) }
const say = (name, value, unit) =>
  console.log(`${name.padEnd(80)} ${value.toLocaleString('en-US', { maximumFractionDigits: 2 }).padStart(12)} ${unit}`)
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

try {
  const it = await Deployment.open(t, ['ada', 'bob', 'cy'], options.store === 'host' ? { keeper: 'bob' } : {})
  it.box.service({ instances: { perHost: 2 }, update: { parallel: 2, settle: '200ms', deadline: '60s' } })
  const first = await it.box.deploy()
  say('the first deployment: sent to the agent', first.shipped.bytesSent / 1024, 'KiB')
  say('  from the command to 6 ready instances on 3 hosts', first.deployed.afterMs / 1000, 's')
  const requests = it.load(), took = [], sent = []
  for (let i = 0; i < deploys; i++) {
    it.box.word(`word${i}`)
    const { deployed, shipped } = await it.box.deploy()
    took.push(deployed.afterMs / 1000)
    sent.push(shipped.bytesSent)
  }
  const { count, failed } = await requests.stop()
  say(`${deploys} deployments of one changed line: sent to the agent, median`, median(sent), 'bytes')
  say('  from the command to 6 ready instances of it, median', median(took), 's')
  say('  the slowest', Math.max(...took), 's')
  say('  requests meanwhile, by 12 connections of wrk', count, '')
  say('  of them failed', failed, '')
} finally {
  for (const hook of after.reverse()) await hook()
}
