// A hash table of pointers to items that know their own key. Hashes are SipHash-2-4 under a random
// key, since names and ids come from outside and could be chosen to collide.
// The owner compares keys: a lookup yields every item with that 64-bit hash, nearly always one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESH_MAP_KEY_LEN = 16 };

typedef struct mesh_map_cell {
    uint64_t hash;
    void *item; // NULL: empty
} mesh_map_cell;

typedef struct mesh_map {
    mesh_map_cell *cells;
    size_t cap; // a power of two, or 0
    size_t count;
    uint8_t key[MESH_MAP_KEY_LEN];
} mesh_map;

void mesh_map_init(mesh_map *map, const uint8_t key[MESH_MAP_KEY_LEN]);
void mesh_map_deinit(mesh_map *map); // the items are the owner's

uint64_t mesh_map_hash(const mesh_map *map, const void *key, size_t len);
uint64_t mesh_map_hash_u64(const mesh_map *map, uint64_t key);

// The next item with this hash, or NULL. Set *cursor to 0 before the first call.
void *mesh_map_next(const mesh_map *map, uint64_t hash, size_t *cursor);
void mesh_map_add(mesh_map *map, uint64_t hash, void *item); // item is not NULL and not in the map
bool mesh_map_remove(mesh_map *map, uint64_t hash, const void *item);
// Every item in no order; *cursor starts at 0. Don't change the map meanwhile.
void *mesh_map_each(const mesh_map *map, size_t *cursor);
