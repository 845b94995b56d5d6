// Sends its agent what no node sends: by the socket that it has of it, which is of the one kind that Node.js cannot open.
const fs = require('node:fs')
const net = require('node:net')
const SEQPACKET = '0005'
const lines = fs.readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
const inodes = new Set(lines.filter(([, , , , type]) => type === SEQPACKET).map((words) => words[6]))
for (const fd of fs.readdirSync('/proc/self/fd')) {
  let link = ''
  try {
    link = fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {} // that of the directory
  if (inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1])) fs.writeSync(Number(fd), Buffer.from([255]))
}
net.connect(process.env.PROBE).write(JSON.stringify({ pid: process.pid }) + '\n')
