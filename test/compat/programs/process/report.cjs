// Diagnostic reports: by the program, at an uncaught error, their sections, where they are written
// @code 1
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const report = process.report.getReport(new Error('in the report'))
console.log(Object.keys(report).join(), report.header.processId === process.pid, report.header.nodejsVersion, report.header.event, report.header.trigger)
console.log(report.javascriptStack.message, report.javascriptHeap.totalMemory > 0, report.environmentVariables.HOME === process.env.HOME, report.header.cwd === process.cwd())
process.report.directory = os.tmpdir()
console.log(process.report.writeReport('mine.json'), JSON.parse(fs.readFileSync(path.join(os.tmpdir(), 'mine.json'))).header.event)
console.log(process.report.compact, process.report.reportOnSignal, process.report.reportOnUncaughtException, process.report.signal)
process.report.reportOnUncaughtException = true
process.report.filename = 'uncaught.json'
process.on('exit', () => console.log(JSON.parse(fs.readFileSync(path.join(os.tmpdir(), 'uncaught.json'))).header.trigger))
throw new Error('ends it')
