#include "cluster/news.h"

void mesh_news_init(mesh_news_queue *queue) {
    *queue = (mesh_news_queue){0};
    for (size_t i = 0; i < MESH_NEWS_TRIES_MAX; i++) {
        mesh_news *head = &queue->heads[i];
        head->next = head->previous = head;
        head->tries = (uint8_t)i;
    }
}

static void unlink_news(mesh_news *news) {
    news->next->previous = news->previous;
    news->previous->next = news->next;
    news->next = news->previous = NULL;
}

static void append(mesh_news_queue *queue, mesh_news *news, uint8_t tries) {
    mesh_news *head = &queue->heads[tries];
    news->tries = tries;
    news->next = head;
    news->previous = head->previous;
    head->previous->next = news;
    head->previous = news;
}

void mesh_news_add(mesh_news_queue *queue, mesh_news *news) {
    mesh_news_drop(queue, news);
    append(queue, news, 0);
    news->round = queue->round;
    queue->count++;
}

void mesh_news_drop(mesh_news_queue *queue, mesh_news *news) {
    if (news->next == NULL) return;
    unlink_news(news);
    queue->count--;
}

void mesh_news_begin(mesh_news_queue *queue) {
    queue->round++;
}

mesh_news *mesh_news_next(mesh_news_queue *queue, mesh_news *after) {
    size_t tries = after != NULL ? after->tries : 0;
    mesh_news *at = after != NULL ? after->next : queue->heads[0].next;
    for (;; at = at->next) {
        while (at == &queue->heads[tries]) {
            if (++tries == MESH_NEWS_TRIES_MAX) return NULL;
            at = queue->heads[tries].next;
        }
        if (at->round != queue->round) return at;
    }
}

void mesh_news_told(mesh_news_queue *queue, mesh_news *news, uint32_t tries_max) {
    uint32_t tries = news->tries + 1U;
    unlink_news(news);
    news->round = queue->round;
    if (tries >= tries_max || tries >= MESH_NEWS_TRIES_MAX)
        queue->count--;
    else
        append(queue, news, (uint8_t)tries);
}
