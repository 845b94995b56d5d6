console.log('stuck')
process.on('SIGTERM', () => {}) // never runs
for (;;);
