console.log('package', typeof module, import.meta.url.endsWith('/package/main.js'))
