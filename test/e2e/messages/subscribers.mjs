// What tests of publications do again and again, in members of a Cluster.

/** Subscribes in `member` and collects [subject, data, sender] in keep[key]; resolves when every peer knows. */
export const collect = (member, key, subject, options) => member.run(async (mesh, keep, key, subject, options) => {
  const list = keep[key] = []
  const subscription = keep[`${key}Subscription`] = mesh.subscribe(subject, options)
  await subscription.ready
  ;(async () => { for await (const m of subscription) list.push([m.subject, m.data, m.from.name]) })()
}, key, subject, options)

/** Waits until so many are collected. */
export const collected = (member, key, count) => member.run(async (mesh, keep, key, count) => {
  while (keep[key].length < count) await new Promise(setImmediate)
  return keep[key]
}, key, count)

/** Publishes [subject, data, options] in order, waiting for 'drain' where it must; resolves when all are on their way. */
export const publishAll = (publisher, ...messages) => publisher.run(async (mesh, keep, messages) => {
  for (const message of messages) if (!mesh.publish(...message)) await new Promise(resolve => mesh.once('drain', resolve))
  await mesh.flush()
}, messages)

/** The agent tells members one after the other: a subscription is known to the publisher when a first message arrives. */
export const known = async (publisher, member, key, subject) => {
  await publishAll(publisher, [subject, 'hello'])
  await collected(member, key, 1)
}
