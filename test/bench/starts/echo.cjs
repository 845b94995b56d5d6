// A node that serves, or a child that answers.
'use strict'
if (process.send) {
  process.on('message', (message) => process.send(message))
} else {
  require('warren').join().then((mesh) => mesh.serve('echo', { call: (input) => input }))
}
