import('./part.mjs').then(({ value }) => console.log('plain', typeof module, value))
