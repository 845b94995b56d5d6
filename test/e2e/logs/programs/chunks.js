// Writes 2,000 numbered lines of its own, cut where lines do not end.
const instance = Number(process.argv[2] ?? process.env.WARREN_INSTANCE ?? process.pid)
let text = ''
for (let i = 0; i < 2000; i++) text += `${instance}:${i}:${'x'.repeat((i * 37) % 500)}\n`
let at = 0
const more = () => {
  for (let n = 0; n < 50 && at < text.length; n++) {
    const end = at + 1 + ((at * 7919) % 3000)
    process.stdout.write(text.slice(at, end))
    at = end
  }
  if (at < text.length) setImmediate(more)
}
more()
