// Wants the lease NAME again and again, and while it has it writes to the resource whenever it finds it valid: one JSON line each.
import net from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { join } from 'warren'

const { RESOURCE, NAME = 'job', TTL = '2s', TURNS = '0', WHO } = process.env
const WRITE_EVERY_MS = 5
const resource = net.connect(RESOURCE)
const who = WHO ?? `${process.pid}`
const write = (more) => resource.write(`${JSON.stringify({ who, pid: process.pid, ...more })}\n`)
resource.on('error', () => process.exit())
resource.on('close', () => process.exit())

const mesh = await join()
write({ says: 'up' })
for (;;) {
  let lease
  try {
    lease = await mesh.lease(NAME, { ttl: TTL })
  } catch (err) {
    write({ says: 'failed', code: err.code, text: err.message })
    await sleep(100)
    continue
  }
  const token = `${lease.token}`
  for (let writes = 0; !lease.signal.aborted; ) {
    const at = `${process.hrtime.bigint()}` // before it is asked: it was valid then too
    if (lease.valid) {
      write({ token, at })
      if (++writes === Number(TURNS)) {
        await lease.release()
        break
      }
    }
    await sleep(WRITE_EVERY_MS)
  }
  if (lease.signal.aborted) write({ says: 'lost', token, code: lease.signal.reason.code, text: lease.signal.reason.message })
  await turn()
}
