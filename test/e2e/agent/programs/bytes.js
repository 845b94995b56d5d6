// Every byte there is, a line longer than any buffer, and no newline at the end.
const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
process.stdout.write(Buffer.concat([all, Buffer.alloc(100_000, 'x'), all]))
