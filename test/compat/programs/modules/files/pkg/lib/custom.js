export const name = 'custom'
