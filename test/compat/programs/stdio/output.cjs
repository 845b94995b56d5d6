// Output: order of stdout and of stderr, callbacks, large writes, cork, end refused, write after exit
const big = 'x'.repeat(100_000)
console.log(process.stdout.isTTY, process.stderr.isTTY, process.stdout.writable, process.stdout.columns, process.stdout.getColorDepth?.())
process.stdout.write(`${big.length}\n`, () => console.error('written'))
process.stdout.cork(); process.stdout.write('a'); process.stdout.write(Buffer.from('b')); process.stdout.write('fc6e\n', 'latin1'); process.stdout.uncork()
try { process.stdout.write(5) } catch (err) { console.log(err.code) }
process.stdout.write('aGVsbG8K', 'base64')
for (let i = 0; i < 200; i++) console.log(i, big.slice(0, 500))
process.stdout.write(big + '\n', () => console.log('all of it'))
process.on('exit', () => console.log('the last'))
console.error('%s %d %i %f %j %o %O %c%%', 'text', 1.5, 1.5, '2.5', { a: 1 }, [1], { b: 2 }, 'css')
