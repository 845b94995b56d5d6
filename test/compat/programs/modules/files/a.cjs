exports.early = true; const b = require("./b.cjs"); exports.seen = b.seen; exports.late = true
