console.log('ran'); setTimeout(() => process.exit(), 0)
