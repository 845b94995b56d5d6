// Sessions: evaluation, break points and pauses, CPU and heap profiles, coverage, console
const inspector = require('node:inspector')
const { promisify } = require('node:util')
const session = new inspector.Session()
session.connect()
const post = promisify(session.post.bind(session))
async function main() {
  console.log((await post('Runtime.evaluate', { expression: '[1, 2].map((x) => x * 2)', returnByValue: true })).result.value)
  console.log((await post('Runtime.evaluate', { expression: 'throw new Error("e")' })).exceptionDetails.exception.className)
  await post('Nonsense.method').catch((err) => console.log(err.code))
  const said = []
  session.on('Runtime.consoleAPICalled', ({ params }) => said.push(params.args[0].value))
  await post('Runtime.enable')
  console.log('seen by the inspector')
  console.log(said[0])
  await post('Debugger.enable')
  const paused = []
  session.on('Debugger.paused', ({ params }) => { paused.push(params.reason, params.callFrames[0].functionName); session.post('Debugger.resume') })
  function stops() { debugger; return 1 }
  console.log(stops(), paused.join())
  const { breakpointId } = await post('Debugger.setBreakpointByUrl', { lineNumber: 100, urlRegex: 'session.cjs' })
  console.log(breakpointId.split(':').slice(-2)[0].length > 0)
  await post('Debugger.disable')
  await post('Profiler.enable')
  await post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  covered(); covered()
  const { result } = await post('Profiler.takePreciseCoverage')
  const mine = result.find(({ url }) => url.endsWith('session.cjs')).functions.find(({ functionName }) => functionName === 'covered')
  console.log(mine.ranges.map(({ count }) => count).join())
  await post('Profiler.start')
  for (let i = 0, sum = 0; i < 3e6; i++) sum += Math.sqrt(i)
  const { profile } = await post('Profiler.stop')
  console.log(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'main'))
  let size = 0
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => { size += params.chunk.length })
  await post('HeapProfiler.takeHeapSnapshot')
  console.log(size > 100000)
  session.disconnect()
}
function covered() { return 1 }
main()
