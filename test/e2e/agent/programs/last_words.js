// Much output right before the end: all of it must arrive.
for (let i = 0; i < 20_000; i++) console.log(`line ${i} ${'y'.repeat(20)}`)
process.exit(3)
