// A loader of the program resolves and loads modules that are no files
// @node --no-warnings --experimental-loader ./files/loader.mjs
// @cold --no-warnings is read when Node boots
console.log((await import('virtual:one')).default, (await import('virtual:two')).default, process.execArgv)
console.log((await import('./files/named.cjs')).one)
