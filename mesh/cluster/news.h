// What is still to be told to other hosts, the least told first. The items live in their owner; the
// queue links them and takes no memory. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESH_NEWS_TRIES_MAX = 32 };

typedef struct mesh_news {
    struct mesh_news *next, *previous; // NULL: in no queue
    uint32_t host;                     // the owner's: whom it is about
    uint8_t witness;                   // the owner's: which accusation
    uint8_t tries;                     // how often it was told
    uint32_t round;                    // in which it was told last
} mesh_news;

typedef struct mesh_news_queue {
    mesh_news heads[MESH_NEWS_TRIES_MAX]; // of a ring each, by tries
    size_t count;
    uint32_t round;
} mesh_news_queue;

void mesh_news_init(mesh_news_queue *queue); // the queue may not be moved afterwards
// Untold from now on, also when it waits already.
void mesh_news_add(mesh_news_queue *queue, mesh_news *news);
void mesh_news_drop(mesh_news_queue *queue, mesh_news *news); // no-op when it does not wait
// A round tells each item at most once: begin() it, then next() until NULL. told() of the item that
// next() gave last; after `tries_max` times it leaves the queue. next() again without told() gives
// the one behind it.
void mesh_news_begin(mesh_news_queue *queue);
mesh_news *mesh_news_next(mesh_news_queue *queue, mesh_news *after);
void mesh_news_told(mesh_news_queue *queue, mesh_news *news, uint32_t tries_max);
