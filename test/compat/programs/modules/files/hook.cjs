globalThis.required = process.argv.length; console.log("required", require.main === undefined, module.id)
