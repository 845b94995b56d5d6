// Writes for ever, as fast as it may.
const line = 'x'.repeat(1000) + '\n'
const more = () => {
  while (process.stdout.write(line.repeat(100)));
}
process.stdout.on('drain', more)
more()
