let text = ''
process.stdin.setEncoding('utf8').on('data', (chunk) => { text += chunk }).on('end', () => console.log(text.toUpperCase()))
