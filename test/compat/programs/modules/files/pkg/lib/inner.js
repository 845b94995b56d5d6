export const name = 'inner'
