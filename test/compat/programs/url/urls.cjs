// URLs: WHATWG and legacy parsing, IDN, search parameters, file URLs, what is refused; querystring, punycode, string_decoder, path
const url = require('node:url')
const querystring = require('node:querystring')
const path = require('node:path')
const { StringDecoder } = require('node:string_decoder')
for (const text of ['http://user:pa%20ss@EXAMPLE.com:80/a/../b?q=1#h', 'https://münchen.de/ü?ü', 'file:///C:/x/../y', 'data:text/plain,a', 'http://[::1]:3000/', 'http://1.2.3/', 'mailto:a@b', 'http://a b', '//x', 'http://x:99999']) try { const parsed = new URL(text); console.log(parsed.href, parsed.origin, parsed.host, parsed.username, parsed.password) } catch (err) { console.log(err.code, err.input) }
const params = new URLSearchParams('a=1&b=2&a=3&%C3%BC=+x'); params.append('n', null); params.sort(); params.delete('b'); console.log(String(params), params.getAll('a'), [...params.keys()].join())
console.log(url.fileURLToPath('file:///a%20b'), url.pathToFileURL('/a#b?').href, url.domainToASCII('español.com'), url.domainToUnicode('xn--espaol-zwa.com'), url.resolve('/one/two', '../x'), JSON.stringify(url.parse('http://u@h:1/p?q=1#f', true)), url.format({ protocol: 'http', host: 'h', pathname: '/p', query: { a: [1, 2] } }))
console.log(querystring.stringify({ a: ['1', 2], b: true, c: 'ü &' }), JSON.stringify(querystring.parse('a=1&a=2&b=%zz&c', null, null, { maxKeys: 3 })), querystring.escape('a b'))
const decoder = new StringDecoder('utf8'); console.log(decoder.write(Buffer.from([0xe2, 0x82])), decoder.write(Buffer.from([0xac])), decoder.end(Buffer.from([0xe2])), new StringDecoder('base64').end(Buffer.from('ab')))
console.log(path.resolve('/a', '../b', './c'), path.relative('/a/b/c', '/a/d'), path.normalize('/a//b/../c/.'), JSON.stringify(path.parse('/x/file.tar.gz')), path.win32.join('a', '..', 'C:\\b'), path.extname('.a'), path.isAbsolute('a'), path.format({ dir: '/d', base: 'b' }))
console.log(JSON.stringify(url.urlToHttpOptions(new URL('http://a:b@c:1/d?e'))), new URL('?x', 'http://a/b').href, URL.createObjectURL(new Blob(['x'])).slice(0, 14))
