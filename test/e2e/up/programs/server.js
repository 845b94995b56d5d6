// Answers with a variable of its environment and its pid. FAIL: of those that say ready after it is set, all but the first FAIL fail.
const fs = require('node:fs')
const http = require('node:http')
const { PORT, WORD = '', FAIL } = process.env
if (FAIL !== undefined) {
  const mark = `${process.cwd()}/starts`
  fs.appendFileSync(mark, '.')
  if (fs.statSync(mark).size > Number(FAIL)) {
    console.error('no database')
    process.exit(3)
  }
}
console.log(`serves ${WORD}`)
http.createServer((request, response) => response.end(`${WORD} ${process.pid}`)).listen(PORT)
