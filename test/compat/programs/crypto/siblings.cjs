// Random values of each source differ between processes, and within one; none comes from before the fork
const crypto = require('node:crypto')
const { execFileSync } = require('node:child_process')
const { Worker, isMainThread, parentPort } = require('node:worker_threads')
const draw = () => [Math.random(), crypto.randomUUID(), crypto.randomBytes(8).toString('hex'), crypto.randomInt(2 ** 47), crypto.webcrypto.getRandomValues(new Uint32Array(4)).join(), String(crypto.randomFillSync(Buffer.alloc(8)).toString('hex')), crypto.generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x, crypto.createECDH('prime256v1').generateKeys('hex'), crypto.randomUUID({ disableEntropyCache: true })]
if (!isMainThread) parentPort.postMessage(draw())
else if (process.argv[2] === 'child') console.log(JSON.stringify(draw()))
else {
  const all = [draw(), draw()]
  for (let i = 0; i < 2; i++) all.push(JSON.parse(execFileSync(process.execPath, [__filename, 'child'])))
  new Worker(__filename).on('message', (drawn) => {
    all.push(drawn)
    console.log(all.length, all[0].map((_, i) => new Set(all.map((one) => one[i])).size).join())
  })
}
