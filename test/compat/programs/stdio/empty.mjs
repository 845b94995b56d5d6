// An empty stdin ends at once; async iteration ends with it
let count = 0
for await (const chunk of process.stdin) count += chunk.length
console.log(count, process.stdin.readableEnded, process.stdin.destroyed)
