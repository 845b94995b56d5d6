// Domains catch errors of timers, emitters and promises that began inside them, also nested
const domain = require('node:domain')
const EventEmitter = require('node:events')
const outer = domain.create().on('error', (err) => console.log('outer', err.message, err.domainThrown))
outer.run(() => {
  setTimeout(() => { throw new Error('timer') }, 1)
  new EventEmitter().emit('error', new Error('emitter'))
})
const inner = domain.create().on('error', (err) => { console.log('inner', err.message) })
outer.run(() => inner.run(() => process.nextTick(() => { throw new Error('nested') })))
outer.intercept((text) => console.log(text))(null, 'intercepted')
outer.bind((text) => console.log(text, process.domain === outer))('bound')
console.log(domain.active ?? 'none', process.domain ?? 'none')
