// Who is in which room, on all servers. Each server alone says who is with it, and numbers what it says: the others
// begin with a copy of its list and go on with its news. When it dies, all who were with it have gone: nobody
// keeps asking, and nobody is a ghost.
//
// No sockets and no mesh here: it is tested without any.
const EARLY_MAX = 1000

export class Presence {
  #servers = new Map() // id -> { number, rooms: Map(room -> Map(user -> how often)) }
  #early = new Map() // id -> news of servers whose list we do not have yet

  // A server's whole list, as of its news `number`; it replaces what we had. Returns what changed for who looks at
  // the rooms: [{ room, user, isHere }].
  begin(server, { number, users }) {
    const early = this.#early.get(server) ?? []
    const gone = this.end(server)
    const entry = { number, rooms: new Map() }
    this.#servers.set(server, entry)
    const come = users.flatMap(([room, user]) => this.#change(entry, { room, user, by: 1 }))
    const isNot = (others) => (one) => !others.some(({ room, user }) => room === one.room && user === one.user)
    const changes = [...gone.filter(isNot(come)), ...come.filter(isNot(gone))]
    return early.reduce((all, news) => all.concat(this.apply(server, news) ?? []), changes)
  }

  // One piece of news: { number, room, user, by: 1 or -1 }. Returns what changed, or null when some was missed: then
  // the whole list is needed again.
  apply(server, news) {
    const entry = this.#servers.get(server)
    if (entry === undefined) return this.#keep(server, news)
    if (news.number <= entry.number) return [] // the list had it
    if (news.number > entry.number + 1) return null
    entry.number = news.number
    return this.#change(entry, news)
  }

  // Its list is on the way, and may be older than this.
  #keep(server, news) {
    const early = this.#early.get(server) ?? []
    this.#early.set(server, early)
    if (early.push(news) > EARLY_MAX) early.shift() // a gap, which is noticed
    return []
  }

  // The server is gone, and all who were with it.
  end(server) {
    const entry = this.#servers.get(server)
    this.#servers.delete(server)
    this.#early.delete(server)
    if (entry === undefined) return []
    const changes = []
    for (const [room, users] of entry.rooms)
      for (const user of users.keys()) if (!this.has(room, user)) changes.push({ room, user, isHere: false })
    return changes
  }

  has(room, user) {
    for (const { rooms } of this.#servers.values()) if (rooms.get(room)?.has(user)) return true
    return false
  }

  users(room) {
    const names = new Set()
    for (const { rooms } of this.#servers.values()) for (const user of rooms.get(room)?.keys() ?? []) names.add(user)
    return [...names].sort()
  }

  // Everybody, for the overview: [[room, count]], the fullest first.
  rooms() {
    const names = new Set()
    for (const { rooms } of this.#servers.values()) for (const room of rooms.keys()) names.add(room)
    return [...names].map((room) => [room, this.users(room).length]).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  }

  // One person may look on with two windows: only the first and the last of them are news.
  #change({ rooms }, { room, user, by }) {
    const before = this.has(room, user)
    const users = rooms.get(room) ?? new Map()
    const count = (users.get(user) ?? 0) + by
    if (count > 0) users.set(user, count)
    else users.delete(user)
    if (users.size > 0) rooms.set(room, users)
    else rooms.delete(room)
    const isHere = this.has(room, user)
    return isHere === before ? [] : [{ room, user, isHere }]
  }
}
