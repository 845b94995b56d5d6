// A client of HTTP/2 that keeps some sessions busy, and does what one must do when a server goes away: open another session, and send again
// what no server has seen.
import http2 from 'node:http2'

const { NGHTTP2_REFUSED_STREAM } = http2.constants

export class Busy {
  #port
  #path
  #isOver = false
  #workers
  answers = 0
  refused = 0 // and sent again
  lost = []
  pids = new Set()

  constructor(port, { sessions, streams, path }) {
    this.#port = port
    this.#path = path
    this.#workers = Array.from({ length: sessions }, () => {
      const place = { session: null }
      return Array.from({ length: streams }, () => this.#work(place))
    }).flat()
  }

  #sessionOf(place) {
    if (place.session === null || place.session.closed || place.session.destroyed) {
      place.session = http2.connect(`http://127.0.0.1:${this.#port}`)
      place.session.on('error', (err) => this.lost.push(`session: ${err.code}`))
    }
    return place.session
  }

  #ask(place) {
    return new Promise((resolve, reject) => {
      const stream = this.#sessionOf(place).request({ ':path': this.#path })
      let text = ''
      let isWhole = false
      stream.setEncoding('utf8')
      stream.on('data', (chunk) => (text += chunk))
      stream.on('end', () => (isWhole = true))
      stream.on('error', () => {})
      stream.on('close', () => {
        if (isWhole && text !== '') resolve(text)
        else reject(Object.assign(new Error('no answer'), { rstCode: stream.rstCode }))
      })
    })
  }

  async #work(place) {
    while (!this.#isOver) {
      try {
        this.pids.add(Number(await this.#ask(place)))
        this.answers++
      } catch (err) {
        if (err.rstCode === NGHTTP2_REFUSED_STREAM || err.code === 'ERR_HTTP2_GOAWAY_SESSION') this.refused++
        else this.lost.push(err.code ?? `closed with ${err.rstCode}`)
      }
    }
    place.session?.close()
  }

  async end() {
    this.#isOver = true
    await Promise.all(this.#workers)
  }
}
