const a = require("./a.cjs"); exports.seen = [a.early, a.late]
