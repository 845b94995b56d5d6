// The numbers of runtime/binding.h, in its order.
'use strict'

const HEAD_LEN = 32 // eight words before each entry

const WORD = { OUTBOX_LEN: 0, QUEUED: 1, QUEUED_BULK: 2, IS_CLOSED: 3 }

const FLAG = { HEADERS: 1, BOOL: 2, BULK: 4 }

const LANE = { NORMAL: 0, BULK: FLAG.BULK } // as a flag

const PEER_SELF = 0
const PEER_ANY = 0xffffffff

const COMMAND = {
  JOIN: 1,
  PUBLISH: 2,
  CALL: 3,
  CANCEL: 4,
  ANSWER: 5,
  ANNOUNCE: 6,
  WITHDRAW: 7,
  CONSUMED: 8,
  SHAPE: 9,
  MONITOR: 10,
  DEMONITOR: 11,
  LISTEN: 12,
  FLUSH: 13,
  HOLD: 14,
  ITEM: 15,
  GRANT: 16,
  INPUT: 17,
  TAKE: 18,
  READY: 19,
  RETIRE: 20,
  RETIRED: 21,
  LEASE: 22,
  UNLEASE: 23,
  CHECKED: 24,
}

const EVENT = {
  JOINED: 1,
  PEER: 2,
  SERVICE: 3,
  SHAPE: 4,
  MESSAGE: 5,
  REQUEST: 6,
  ABORT: 7,
  REPLY: 8,
  ERROR: 9,
  DOWN: 10,
  DRAIN: 11,
  ANNOUNCED: 12,
  LISTENING: 13,
  REFUSED: 14,
  LOST: 15,
  CLOSED: 16,
  COMMAND_FAILED: 17,
  FLUSHED: 18,
  ITEM: 19,
  GRANT: 20,
  INPUT: 21,
  TAKE: 22,
  RETIRE: 23,
  LEASE: 24,
  CHECK: 25,
  GAP: 26,
}

const ENTRY = { SERVICE: 0, SUBSCRIPTION: 1 }

// Outcomes of a call (mesh_call_code); 0 is a reply.
const CODE = {
  REPLY: 0,
  APPLICATION: 1,
  NO_RESPONDERS: 2,
  TIMEOUT: 3,
  CANCELLED: 4,
  OVERLOADED: 5,
  CLOSED: 6,
  NO_METHOD: 7,
  PEER_LOST: 8,
  FORBIDDEN: 9,
}

const LIMIT = {
  MESSAGE_LEN_MIN: 64 << 10,
  MESSAGE_LEN_DEFAULT: 1 << 20,
  MESSAGE_LEN_MAX: 16 << 20,
  CALLS: 65536,
  ENTRIES: 4096, // subscriptions and services
  LEASES: 256, // had or waited for
  LEASE_TTL_MIN_S: 2, // STORE_TTL_MIN_S
  LEASE_TTL_MAX_S: 3600,
  WAITS: 65536, // of a kind: monitors, next() of one reader, available(), calls between two tries
  HOOKS: 4096, // of onClose()
  METHODS: 1024, // of one client that are kept as its properties
  QUEUE_HIGH: 1 << 20,
  QUEUE_MAX: 8 << 20,
}

// Answers and inputs that are streams, in bytes.
const STREAM = {
  WINDOW: 64 << 10, // that a sender is ahead of its reader; of an answer it needs no word for it (MESH_STREAM_WINDOW).
  // What is under way stands before small calls in both loops, so more is asked for only where it takes long to come:
  WIDE_WINDOW: 256 << 10, // by a reader that had to wait longer than
  FAR_MS: 2, // for a window of items, which on one host takes 0.1 ms,
  FAR_COUNT: 4, // so many times, one after the other,
  WIDE_MAX: 16, // and while no more streams than so many have it
  GRANT_STEP: 16 << 10, // the reader tells what it took in pieces of this size
  ITEM_HEAD_LEN: 9, // what an item counts beside its payload
}

module.exports = { HEAD_LEN, WORD, FLAG, LANE, PEER_SELF, PEER_ANY, COMMAND, EVENT, ENTRY, CODE, LIMIT, STREAM }
