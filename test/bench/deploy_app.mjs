// What it costs to deploy an application of express, with its node_modules and a native addon (sharp), on one host and on three: bytes
// that are sent and that a host receives, and seconds from the command to all instances ready; the first time, and after one changed line.
//   node test/bench/deploy_app.mjs [--changes=5] [--store=etcd|host]        (after make build)
// It makes hosts of network namespaces, so it needs root; etcd as tools/setup.sh test has it. Packages come from npm, once, into build/compat.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url)), packages = path.join(root, 'build/compat')
process.env.WARREN ??= path.join(root, 'build/bin/warren')
process.env.WARREN_NODE ??= path.join(root, 'build/bin/warren-node')
execFileSync('cmake', [`-DSOURCE=${root}`, `-DOUT=${packages}`, '-P', path.join(root, 'test/compat/packages/install.cmake')], { stdio: 'inherit' })
const { Deployment } = await import('../e2e/deploy/hosts.mjs')
const { takePackage } = await import('../e2e/releases/packages.mjs')

const { values: options } = parseArgs({ options: { changes: { type: 'string', default: '5' }, store: { type: 'string', default: 'etcd' } } })
const PER_HOST = 2, KIB = 1024, MIB = 1 << 20
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const rows = []

const program = (word) => `
  const sharp = require('sharp'), app = require('express')()
  app.get('/', async (request, response) => {
    const image = await sharp({ create: { width: 8, height: 5, channels: 3, background: 'red' } }).png().toBuffer()
    response.send(\`${word} \${process.pid} \${image.length}\`)
  })
  app.listen(process.env.PORT)
`
const received = (host) => Number(execFileSync('ip', ['netns', 'exec', host.ns, 'cat', '/sys/class/net/eth0/statistics/rx_bytes']))

// One deployment: seconds, bytes to the agent, and what the hosts received by the network, on average of all but the one that has it.
async function deploy(it, word) {
  it.box.write('app.js', program(word))
  const others = it.hosts.slice(1), before = others.map(received), from = Date.now()
  const { shipped } = await it.box.deploy()
  const seconds = (Date.now() - from) / 1000
  for (const { address } of it.hosts) {
    const text = await it.get(address)
    if (!text.startsWith(`${word} `)) throw new Error(`${address} serves ${text}`)
  }
  const bytes = others.map((host, i) => received(host) - before[i])
  return { seconds, shipped, received: others.length > 0 ? median(bytes) : 0 }
}

async function measure(names) {
  const after = []
  try {
    const it = await Deployment.open({ after: (hook) => after.push(hook) }, names, options.store === 'host' ? { keeper: names[0] } : {})
    for (const name of ['express', 'sharp']) takePackage(it.box, path.join(packages, 'node_modules'), name)
    for (const name of ['server.js', 'word.js', 'ballast.bin']) fs.rmSync(it.box.path(name))
    it.box.service({ entry: './app.js', instances: { perHost: PER_HOST }, update: { parallel: PER_HOST, settle: '100ms', deadline: '60s' } })
    const row = (what, { seconds, shipped, received }) => rows.push({
      what: `${names.length} ${names.length === 1 ? 'host' : 'hosts'}, ${names.length * PER_HOST} instances: ${what}`, seconds, shipped, received })
    row('the first deployment', await deploy(it, 'one'))
    const changes = []
    for (let i = 0; i < Number(options.changes); i++) changes.push(await deploy(it, `word${i}`))
    row('one changed line, median', { shipped: { ...changes[0].shipped, bytesSent: median(changes.map(({ shipped }) => shipped.bytesSent)) },
      seconds: median(changes.map(({ seconds }) => seconds)), received: median(changes.map((change) => change.received)) })
  } finally {
    for (const hook of after.reverse()) await hook()
  }
}

await measure(['ada'])
await measure(['ada', 'bob', 'cy'])
const { files, bytes } = rows[0].shipped
console.log(`express and sharp: ${files} files, ${(bytes / MIB).toFixed(1)} MiB`)
const cells = (...texts) => console.log(texts.map((text, i) => i === 0 ? text.padEnd(58) : text.padStart(20)).join(''))
cells('', 'sent to the agent', 'received by another', 'command to ready')
for (const { what, seconds, shipped, received } of rows)
  cells(what, `${(shipped.bytesSent / KIB).toFixed(1)} KiB`, received > 0 ? `${(received / KIB).toFixed(1)} KiB` : '-', `${seconds.toFixed(2)} s`)
