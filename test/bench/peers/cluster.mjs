// node:cluster: workers and their messages, with serialization 'advanced'.
import cluster from 'node:cluster'
import { answerParent, askChildren } from './channel.mjs'

export const follow = answerParent

export function lead({ entry, args }) {
  cluster.setupPrimary({ exec: entry, args, serialization: 'advanced' })
  return askChildren({
    launch: () => cluster.fork(),
    pidOf: (worker) => worker.process.pid,
  })
}
