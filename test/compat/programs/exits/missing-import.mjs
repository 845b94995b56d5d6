// A module that is imported is missing, and so is a package
// @code 1
await import('none-such-package').catch((err) => console.log(err.code, err.message.replace(import.meta.url.slice(7), '<file>')))
await import('./files/none.mjs')
