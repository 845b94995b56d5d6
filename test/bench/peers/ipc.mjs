// node:child_process: fork() and its channel, with serialization 'advanced' (structured clone) or 'json'.
import { fork } from 'node:child_process'
import { answerParent, askChildren } from './channel.mjs'

export const follow = answerParent

export function lead({ entry, args, variant }) {
  return askChildren({
    launch: () => fork(entry, args, { serialization: variant }),
    pidOf: (child) => child.pid,
  })
}
