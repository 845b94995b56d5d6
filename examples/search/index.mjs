// An inverted index of one part of the documents, and BM25 ranking over the whole of them.
//
// How much a match is worth depends on how rare the term is in *all* documents and how long they are on average. A
// shard can't know that, so it is told: `summary` says what one part has, `sum` adds the parts up, `search` takes
// the result. Scores therefore do not depend on which shard holds which document.

const K1 = 1.2 // how soon a repeated term stops counting
const B = 0.75 // how much long documents are held back

export class Index {
  #documents = [] // { path, length }, length in terms
  #postings = new Map() // term -> [document, count, document, count ...]
  #length = 0

  add(path, terms) {
    const document = this.#documents.push({ path, length: terms.length }) - 1
    this.#length += terms.length

    const counts = new Map()
    for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1)
    for (const [term, count] of counts) {
      const postings = this.#postings.get(term)
      if (postings) postings.push(document, count)
      else this.#postings.set(copyOf(term), [document, count])
    }
  }

  get size() {
    return this.#documents.length
  }

  // What this part adds to the statistics of the whole, for the terms of one query.
  summary(terms) {
    return {
      documents: this.#documents.length,
      length: this.#length,
      frequencies: terms.map(term => (this.#postings.get(term)?.length ?? 0) / 2)
    }
  }

  // The `k` best documents of this part with any of the terms, and how many there are in all.
  search(terms, whole, k) {
    const scores = new Map()
    terms.forEach((term, i) => {
      const postings = this.#postings.get(term) ?? []
      const rarity = Math.log(1 + (whole.documents - whole.frequencies[i] + 0.5) / (whole.frequencies[i] + 0.5))
      for (let p = 0; p < postings.length; p += 2) {
        const [document, count] = [postings[p], postings[p + 1]]
        const relativeLength = (this.#documents[document].length * whole.documents) / whole.length
        const weight = (count * (K1 + 1)) / (count + K1 * (1 - B + B * relativeLength))
        scores.set(document, (scores.get(document) ?? 0) + rarity * weight)
      }
    })
    const hits = Array.from(scores, ([document, score]) => ({ path: this.#documents[document].path, score }))
    return { hits: best(hits, k), total: hits.length }
  }
}

// The statistics of the whole, from the summaries of its parts.
export function sum(summaries) {
  return summaries.reduce((whole, part) => ({
    documents: whole.documents + part.documents,
    length: whole.length + part.length,
    frequencies: whole.frequencies.map((frequency, i) => frequency + part.frequencies[i])
  }))
}

// The first `k` in the order of the answer: best score first, equal scores by path.
export function best(hits, k) {
  return hits.sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1)).slice(0, k)
}

// V8 cuts a long substring as a view that keeps its whole file in memory; the index must not hold every text.
function copyOf(term) {
  return Buffer.from(term).toString()
}
