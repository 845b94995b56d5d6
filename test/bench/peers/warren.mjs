// Warren, as its users use it: one agent, followers launched with `warren run -d`, the leader (warren_lead.mjs) a process
// that joins by itself. Runs under warren-node, which knows the package.
import { join } from 'warren'

export async function follow({ onMessage, onCall }) {
  const mesh = await join()
  const subscriptions = [mesh.subscribe('bench.all'), mesh.subscribe(`bench.${mesh.self.instance}`)]
  for (const subscription of subscriptions) receive(subscription)
  await Promise.all(subscriptions.map(({ ready }) => ready))
  await mesh.serve('bench', { call: onCall })

  async function receive(subscription) {
    for await (const { data } of subscription) onMessage(data)
  }
}

// In a file of its own, so that a follower carries none of it.
export const lead = async (options) => (await import('./warren_lead.mjs')).lead(options)
