// What a row measured, printed so that faults.mjs finds it again.
const HEAD = 'figure '

export const figure = (t, name, value, unit) => t.diagnostic(`${HEAD}${name} = ${Math.round(value * 10) / 10} ${unit}`)

// Of what a row printed: [{ name, value, unit }].
export const figuresIn = (text) =>
  [...text.matchAll(new RegExp(`^ *# ${HEAD}(.+) = (-?[\\d.]+) (.*)$`, 'gm'))].map(([, name, value, unit]) => ({ name, value: Number(value), unit }))

// Rows that take long are shorter in CI, and whole in `make faults`.
export const isWhole = process.env.FAULTS_WHOLE === '1'
