exports.one = 1; exports.default = "d"; module.exports.two = 2; Object.defineProperty(exports, "__esModule", { value: true })
