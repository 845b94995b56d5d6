// What forks could not share, by its name in the environment.
const works = {
  timer: () => setInterval(() => {}, 1000).unref(),
  server: () => require('net').createServer().listen(0),
  file: () => require('fs').openSync(__filename),
  thread: () => require('fs').readFile(__filename, () => {}),
  random: () => require('crypto').randomBytes(16),
  pid: () => process.pid,
  prints: () => console.log('from the module'),
  throws: () => { throw new Error('not today') },
  exits: () => process.exit(3),
}
works[process.env.WORK]()
