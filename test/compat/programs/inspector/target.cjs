// The list of targets names the file of the program, for whoever attaches a debugger
// @differs forked its url is file:// alone: Node keeps the path of the boot, and the zygote's has none; the title has the program's name
const inspector = require('node:inspector')
inspector.open(0, '127.0.0.1')
require('node:http').get(`http://${new URL(inspector.url()).host}/json/list`, async (response) => {
  const [target] = JSON.parse((await response.setEncoding('utf8').toArray()).join(''))
  console.log(target.url.split('/').pop())
  inspector.close()
})
