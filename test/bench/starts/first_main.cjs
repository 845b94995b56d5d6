'use strict'
require('./first.cjs').serve()
