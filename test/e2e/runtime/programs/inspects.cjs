const inspector = require('node:inspector')
const session = new inspector.Session()
session.connect()
session.post('Runtime.evaluate', { expression: '6 * 7' }, (error, { result }) => {
  console.log(result.value)
  session.disconnect()
  inspector.open(0, '127.0.0.1')
  fetch(`http://${new URL(inspector.url()).host}/json/version`).then((response) => response.json()).then((version) => {
    console.log(version['Protocol-Version'])
    inspector.close()
  })
})
