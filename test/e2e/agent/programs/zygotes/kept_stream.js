const { out, later } = require(process.argv[2])
out.write(`kept ${later} ${out instanceof require('stream').Writable} ${process.env.OWN}\n`)
