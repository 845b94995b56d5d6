#include "core/map.h"

#include <sodium.h>
#include <string.h>

#include "core/mem.h"

enum { CAP_MIN = 16 };
_Static_assert(MESH_MAP_KEY_LEN == crypto_shorthash_KEYBYTES, "SipHash key");

void mesh_map_init(mesh_map *map, const uint8_t key[MESH_MAP_KEY_LEN]) {
    *map = (mesh_map){0};
    memcpy(map->key, key, MESH_MAP_KEY_LEN);
}

void mesh_map_deinit(mesh_map *map) {
    free(map->cells);
    map->cells = NULL;
    map->cap = map->count = 0;
}

uint64_t mesh_map_hash(const mesh_map *map, const void *key, size_t len) {
    uint64_t hash;
    (void)crypto_shorthash((unsigned char *)&hash, key, len, map->key);
    return hash;
}

uint64_t mesh_map_hash_u64(const mesh_map *map, uint64_t key) {
    return mesh_map_hash(map, &key, sizeof key);
}

void *mesh_map_next(const mesh_map *map, uint64_t hash, size_t *cursor) {
    if (map->cap == 0) return NULL;
    // The table is never full, so the walk ends at an empty cell.
    for (size_t step = *cursor;; step++) {
        const mesh_map_cell *cell = &map->cells[(hash + step) & (map->cap - 1)];
        if (!cell->item) return NULL;
        if (cell->hash != hash) continue;
        *cursor = step + 1;
        return cell->item;
    }
}

static void place(mesh_map *map, uint64_t hash, void *item) {
    size_t at = hash & (map->cap - 1);
    while (map->cells[at].item)
        at = (at + 1) & (map->cap - 1);
    map->cells[at] = (mesh_map_cell){hash, item};
}

static void rehash(mesh_map *map, size_t cap) {
    mesh_map_cell *old = map->cells;
    size_t old_cap = map->cap;
    map->cells = mem_alloc(cap * sizeof *map->cells);
    map->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].item) place(map, old[i].hash, old[i].item);
    }
    free(old);
}

void mesh_map_add(mesh_map *map, uint64_t hash, void *item) {
    CHECK(item);
    if ((map->count + 1) * 4 > map->cap * 3) rehash(map, map->cap ? map->cap * 2 : CAP_MIN);
    place(map, hash, item);
    map->count++;
}

// Closes the gap at `at` by moving later cells of the same run back, so no tombstones are needed.
static void close_gap(mesh_map *map, size_t at) {
    size_t mask = map->cap - 1;
    for (size_t next = (at + 1) & mask; map->cells[next].item; next = (next + 1) & mask) {
        size_t home = map->cells[next].hash & mask;
        // A cell may move back to `at` unless that is before its home.
        if (((next - home) & mask) < ((next - at) & mask)) continue;
        map->cells[at] = map->cells[next];
        at = next;
    }
    map->cells[at].item = NULL;
}

bool mesh_map_remove(mesh_map *map, uint64_t hash, const void *item) {
    if (map->cap == 0) return false;
    size_t mask = map->cap - 1;
    for (size_t at = hash & mask; map->cells[at].item; at = (at + 1) & mask) {
        if (map->cells[at].item != item) continue;
        close_gap(map, at);
        map->count--;
        return true;
    }
    return false;
}

void *mesh_map_each(const mesh_map *map, size_t *cursor) {
    while (*cursor < map->cap) {
        void *item = map->cells[(*cursor)++].item;
        if (item) return item;
    }
    return NULL;
}
