process.stdout.write('name? ')
process.stdin.once('data', (chunk) => {
  console.log(`hello ${chunk.toString().trim()}`)
  process.stdin.destroy()
})
