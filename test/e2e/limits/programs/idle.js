// Does nothing, and says what is in its environment.
setInterval(() => {}, 1 << 30)
console.log('idle', process.env.WARREN_KSM)
