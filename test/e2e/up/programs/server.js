// Answers with a variable of its environment and its pid. FAIL: of those that say ready after it is set, all but the first FAIL fail; with HANG they wait.
// An old one fails when there is a file `broken`.
const fs = require('node:fs')
const http = require('node:http')
const { PORT, WORD = '', FAIL, HANG } = process.env
if (WORD === 'old' && fs.existsSync('broken')) process.exit(4)
if ((FAIL ?? HANG) !== undefined) {
  const mark = `${process.cwd()}/starts`
  fs.appendFileSync(mark, '.')
  if (fs.statSync(mark).size > Number(FAIL ?? HANG)) {
    console.error('no database')
    if (FAIL !== undefined) process.exit(3)
    setInterval(() => {}, 1000)
    return
  }
}
console.log(`serves ${WORD}`)
http.createServer((request, response) => response.end(`${WORD} ${process.pid}`)).listen(PORT)
