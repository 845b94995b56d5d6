// "did you mean": the word that was probably meant.
'use strict'

// How many letters must be changed, added, left out, or swapped with the next one.
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)]
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let k = 1; k <= b.length; k++) {
      const cost = a[i - 1] === b[k - 1] ? 0 : 1
      rows[i][k] = Math.min(rows[i - 1][k] + 1, rows[i][k - 1] + 1, rows[i - 1][k - 1] + cost)
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1]) {
        rows[i][k] = Math.min(rows[i][k], rows[i - 2][k - 2] + 1)
      }
    }
  }
  return rows[a.length][b.length]
}

// One of `words`, or undefined.
function nearest(typed, words) {
  if (typed.length > 64) return undefined
  const [best] = words
    .map((word) => ({ word, steps: distance(typed.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps)
  return best !== undefined && best.steps <= Math.max(1, Math.floor(best.word.length / 3)) ? best.word : undefined
}

module.exports = { nearest }
