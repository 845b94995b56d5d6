export const name = 'self'
