// Hashes, MACs, ciphers, key derivation and signatures give the published values; wrong keys and tags are refused
const crypto = require('node:crypto')
const hex = (bytes) => Buffer.from(bytes).toString('hex')
for (const name of ['md5', 'sha1', 'sha256', 'sha512', 'sha3-256', 'blake2b512', 'ripemd160']) {
  try { console.log(name, crypto.createHash(name).update('abc').digest('hex').slice(0, 32)) } catch (err) { console.log(name, err.code) }
}
console.log(crypto.createHash('shake256', { outputLength: 8 }).update('').digest('hex'), crypto.createHmac('sha256', 'key').update('The quick brown fox jumps over the lazy dog').digest('hex'))
const hash = crypto.createHash('sha256').update('a')
console.log(hash.copy().update('b').digest('base64url'), hash.digest('base64'))
try { hash.update('c') } catch (err) { console.log(err.code) }
console.log(hex(crypto.pbkdf2Sync('password', 'salt', 2, 20, 'sha1')), hex(crypto.scryptSync('', '', 16, { N: 16, r: 1, p: 1 })), hex(crypto.hkdfSync('sha256', 'key', 'salt', 'info', 16)))
const key = Buffer.alloc(32, 1), iv = Buffer.alloc(12, 2)
const seal = crypto.createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from('head'))
const sealed = Buffer.concat([seal.update('secret'), seal.final()])
console.log(hex(sealed), hex(seal.getAuthTag()))
const open = (tag) => { const d = crypto.createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from('head')).setAuthTag(tag); return String(Buffer.concat([d.update(sealed), d.final()])) }
console.log(open(seal.getAuthTag()))
try { open(Buffer.alloc(16)) } catch (err) { console.log(err.message) }
const cbc = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16))
console.log(cbc.update('x', 'utf8', 'hex') + cbc.final('hex'), hex(crypto.createCipheriv('chacha20-poly1305', key, iv, { authTagLength: 16 }).update('abc')))
try { crypto.createCipheriv('aes-128-cbc', 'short', '') } catch (err) { console.log(err.code) }
try { crypto.createCipheriv('no-such', key, iv) } catch (err) { console.log(err.code) }
const pem = crypto.createPrivateKey({ key: Buffer.from('302e020100300506032b657004220420' + '11'.repeat(32), 'hex'), format: 'der', type: 'pkcs8' })
const signature = crypto.sign(null, Buffer.from('text'), pem)
console.log(hex(signature).slice(0, 32), crypto.verify(null, Buffer.from('text'), crypto.createPublicKey(pem), signature), crypto.verify(null, Buffer.from('texts'), crypto.createPublicKey(pem), signature))
console.log(pem.asymmetricKeyType, crypto.createPublicKey(pem).export({ format: 'jwk' }).x)
console.log(crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')), crypto.getCurves().includes('prime256v1'), crypto.getFips())
const group = crypto.getDiffieHellman('modp14')
const x25519 = (byte) => crypto.createPrivateKey({ key: Buffer.from('302e020100300506032b656e04220420' + byte.repeat(32), 'hex'), format: 'der', type: 'pkcs8' })
console.log(group.getPrime().length, hex(crypto.diffieHellman({ privateKey: x25519('22'), publicKey: crypto.createPublicKey(x25519('33')) })).slice(0, 32))
