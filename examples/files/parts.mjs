// A file as a stream of parts, and back: {size, mode}, chunks, and behind them {sha256}, without which it is not whole.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

const CHUNK_LEN = 64 << 10

export async function* partsOf(path) {
  const file = await open(path)
  try {
    const { size, mode } = await file.stat()
    yield { size, mode: mode & 0o777 }
    const hash = createHash('sha256')
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_LEN), 0, CHUNK_LEN)
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      hash.update(chunk)
      yield chunk
    }
    yield { sha256: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

// The file is there when it is whole, and right, and not before; whatever happens, nothing else is left.
export async function keep(parts, path, onChunk = () => {}) {
  await mkdir(dirname(path), { recursive: true })
  const half = `${path}.${randomBytes(4).toString('hex')}.part`
  const file = await open(half, 'wx')
  const hash = createHash('sha256')
  let sum
  try {
    for await (const part of parts) {
      if (Buffer.isBuffer(part)) {
        hash.update(part)
        await file.writeFile(part)
        onChunk(part.length)
      } else if (part.mode !== undefined) {
        await file.chmod(part.mode)
      } else {
        sum = part.sha256
      }
    }
    if (sum !== hash.digest('hex')) throw new Error(`${path}: what came is not what was sent`)
    await file.sync()
    await rename(half, path)
  } catch (err) {
    await unlink(half)
    throw err
  } finally {
    await file.close()
  }
}
