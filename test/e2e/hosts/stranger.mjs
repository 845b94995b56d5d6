// Somebody on the network without a key, for a test in another namespace: stranger.mjs KIND ADDRESS. Goes on until it is
// killed; says each second, as JSON, what it did so far and how many bytes it heard.
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import net from 'node:net'

const [, , kind, address] = process.argv
const PORT = 7400, KNOCK_LEN = 90
const counts = { made: 0, ended: 0, heard: 0 }

const connect = (onConnect) => {
  const socket = net.connect(PORT, address, () => {
    counts.made++
    onConnect?.(socket)
  })
  socket.on('data', (bytes) => { counts.heard += bytes.length }).on('error', () => {})
  socket.on('close', () => {
    counts.ended++
    setTimeout(connect, 10, onConnect)
  })
}

const kinds = {
  // A thousand connections that say nothing, made again when they are cut off.
  silent: () => { for (let i = 0; i < 1000; i++) connect() },
  // One byte now and then.
  slow: () => { for (let i = 0; i < 1000; i++) connect((socket) => {
    const timer = setInterval(() => socket.write(randomBytes(1)), 500)
    socket.on('close', () => clearInterval(timer))
  }) },
  // Random first messages, and such as begin as ours do.
  garbage: () => { for (let i = 0; i < 100; i++) connect((socket) => {
    const bytes = randomBytes(KNOCK_LEN * 2)
    if (Math.random() < 0.5) bytes.set([...Buffer.from('wrn!'), 1, 1 + Math.floor(Math.random() * 4)])
    socket.write(bytes)
  }) },
  flood: () => {
    const socket = dgram.createSocket('udp4')
    socket.on('message', (bytes) => { counts.heard += bytes.length }).on('error', () => {})
    const more = () => {
      for (let i = 0; i < 500; i++) {
        const bytes = randomBytes(20 + Math.floor(Math.random() * 1400))
        if (i % 2 === 0) bytes.set([1, 1, 0, 0])
        socket.send(bytes, PORT, address)
        counts.made++
      }
      setTimeout(more, 20)
    }
    more()
  },
}
kinds[kind]()
setInterval(() => console.log(JSON.stringify(counts)), 1000)
