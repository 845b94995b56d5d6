// The extension types of wire.md's payload, and the tables that encoder and decoder share.
'use strict'

const EXT = {
  DATE: 0xff, // -1 as a byte
  SHAPE: 1,
  UNDEFINED: 2,
  MAP: 3,
  SET: 4,
  BIGINT: 5,
  BIGINT_64: 6,
  TYPED_ARRAY: 7,
  REGEXP: 8,
  URL: 9,
  ERROR: 10,
  REFERENCE: 11,
  HOLE: 12,
  INVALID_DATE: 13,
}

const LIMITS = {
  DEPTH: 64,
  BIGINT_LEN: 1024,
  REGEXP_LEN: 4096,
  SHAPES: 1024,
  SHAPE_KEYS: 32,
  SHAPE_LEN: 4096, // body of one SHAPE frame
}

// By kind, the first content byte of ext 7.
const VIEW_CLASSES = [
  null,
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView,
]
const KIND_DATA_VIEW = 12
const KIND_ARRAY_BUFFER = 13
const VIEW_KINDS = new Map(VIEW_CLASSES.map((viewClass, kind) => [viewClass?.name, kind]))

module.exports = { EXT, LIMITS, VIEW_CLASSES, VIEW_KINDS, KIND_DATA_VIEW, KIND_ARRAY_BUFFER }
