// Keys of each kind are made, exported, imported, encrypted with a passphrase, and used; certificates are read
const crypto = require('node:crypto')
const { promisify } = require('node:util')
const fs = require('node:fs')
const path = require('node:path')
const generate = promisify(crypto.generateKeyPair)
async function main() {
  for (const [type, options] of [['rsa', { modulusLength: 1024 }], ['ec', { namedCurve: 'P-256' }], ['ed25519', {}], ['x25519', {}], ['ed448', {}]]) {
    const { publicKey, privateKey } = await generate(type, options)
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'pass' })
    const again = crypto.createPrivateKey({ key: pem, passphrase: 'pass' })
    console.log(type, JSON.stringify(privateKey.asymmetricKeyDetails, (_, value) => (typeof value === 'bigint' ? Number(value) : value)), pem.split('\n')[0], again.equals(privateKey), publicKey.export({ type: 'spki', format: 'der' }).equals(crypto.createPublicKey(again).export({ type: 'spki', format: 'der' })))
    try { crypto.createPrivateKey({ key: pem, passphrase: 'wrong' }) } catch (err) { console.log(typeof err.code) }
    if (type.startsWith('x')) continue
    const algorithm = type === 'rsa' || type === 'ec' ? 'sha256' : null
    const signature = crypto.sign(algorithm, Buffer.from('x'), privateKey)
    console.log(crypto.verify(algorithm, Buffer.from('x'), publicKey, signature), crypto.verify(algorithm, Buffer.from('y'), publicKey, signature))
  }
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 1024 })
  console.log(String(crypto.privateDecrypt(privateKey, crypto.publicEncrypt(publicKey, Buffer.from('oaep')))), String(crypto.publicDecrypt(publicKey, crypto.privateEncrypt(privateKey, Buffer.from('raw')))))
  const a = crypto.createECDH('secp256k1'), b = crypto.createECDH('secp256k1')
  a.generateKeys(); b.generateKeys()
  console.log(a.computeSecret(b.getPublicKey()).equals(b.computeSecret(a.getPublicKey())), a.getPublicKey('hex', 'compressed').length)
  const secret = await promisify(crypto.generateKey)('aes', { length: 256 })
  console.log(secret.type, secret.symmetricKeySize, secret.export({ format: 'jwk' }).kty)
  const certificate = new crypto.X509Certificate(fs.readFileSync(path.join(__dirname, '../tls/keys/server.pem')))
  const authority = new crypto.X509Certificate(fs.readFileSync(path.join(__dirname, '../tls/keys/ca.pem')))
  console.log(certificate.subject, certificate.issuer, certificate.subjectAltName, certificate.ca, authority.ca, certificate.verify(authority.publicKey), certificate.checkIssued(authority), certificate.fingerprint256.length)
  console.log(await promisify(crypto.checkPrime)(Buffer.from([7])), crypto.generatePrimeSync(32, { bigint: true }) > 0n)
}
main()
