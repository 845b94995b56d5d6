const dns = require('node:dns')
console.log(JSON.stringify(dns.getServers()) === JSON.stringify(new dns.Resolver().getServers()), typeof dns.promises.resolve4)
dns.lookup('localhost', (error, address) => console.log(error, address.length > 2))
