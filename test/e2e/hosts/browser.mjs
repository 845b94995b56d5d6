// A browser of the chat, for a test in another namespace: browser.mjs DIRECTORY-WITH-WS URL. What stdin says, line by
// line, goes to the server; what the server says goes to stdout.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [, , directory, url] = process.argv
const WebSocket = createRequire(directory + '/')('ws')
const socket = new WebSocket(url)
socket.on('message', (data) => console.log(String(data)))
socket.on('close', (code) => process.stdout.write(`closed ${code}\n`, () => process.exit()))
socket.on('error', (error) => console.log(String(error)))
socket.on('open', () => createInterface({ input: process.stdin }).on('line', (line) => socket.send(line)))
