// What nobody needs any more: reports without an order, and releases of long ago.
#include "deploy/conductor_state.h"

#include "core/mem.h"

// ---- releases

typedef struct needs { // releases of one project that something names
    uint64_t *numbers;
    size_t count, cap;
} needs;

static void need(needs *n, uint64_t number) {
    for (size_t i = 0; i < n->count; i++)
        if (n->numbers[i] == number) return;
    n->numbers = mem_grow(n->numbers, sizeof *n->numbers, n->count + 1, &n->cap);
    n->numbers[n->count++] = number;
}

static bool is_needed(const needs *n, uint64_t number) {
    for (size_t i = 0; i < n->count; i++)
        if (n->numbers[i] == number) return true;
    return false;
}

static void need_of_order(needs *n, const Warren__Deploy__Order *order) {
    for (size_t i = 0; i < order->n_instances; i++)
        need(n, order->instances[i]->release);
    for (size_t i = 0; i < order->n_prepare; i++)
        need(n, order->prepare[i]);
}

static void find_needs(const conductor_view *v, const conductor_project *p, needs *n) {
    need(n, p->wanted->release);
    need(n, p->wanted->before);
    need(n, p->from);
    need(n, p->to);
    for (size_t i = 0; i < v->service_count; i++) {
        const conductor_service *s = &v->services[i];
        if (s->project != p) continue;
        need(n, s->release);
        need(n, s->before);
        for (size_t j = 0; j < s->slot_count; j++)
            need(n, s->slots[j].before);
        for (size_t j = 0; j < s->order_count; j++)
            if (s->orders[j].stored != NULL) need_of_order(n, s->orders[j].stored);
    }
}

// Its Specs first: while its own record is there, somebody knows of them.
static void delete_release(conductor_view *v, const conductor_record *release) {
    const Warren__Deploy__Release *is = (const Warren__Deploy__Release *)release->message;
    for (size_t i = 0; i < is->n_services; i++) {
        const conductor_record *spec = conductor_find(v->c, DEPLOY_RECORD_SPEC, release->key.owner,
                                                      release->key.number, is->services[i]);
        if (spec != NULL) conductor_write_delete(v, &spec->key);
    }
    conductor_write_delete(v, &release->key);
}

static void clean_releases(conductor_view *v, const conductor_project *p) {
    const conductor_table *releases = &v->c->tables[DEPLOY_RECORD_RELEASE];
    size_t count = 0, others = 0;
    needs n = {0};
    if (!conductor_phase_is_final(p->phase) || p->deployment != p->wanted->deployment) return;
    for (size_t i = 0; i < releases->count; i++)
        count += strcmp(releases->items[i]->key.owner, p->name) == 0;
    if (count <= DEPLOY_RELEASES_KEPT) return;
    find_needs(v, p, &n);
    for (size_t i = releases->count; i > 0; i--) {
        const conductor_record *release = releases->items[i - 1];
        if (strcmp(release->key.owner, p->name) != 0 || is_needed(&n, release->key.number))
            continue;
        if (++others > DEPLOY_RELEASES_KEPT) delete_release(v, release);
    }
    free(n.numbers);
}

// ---- reports

static void clean_reports(conductor_view *v) {
    const conductor_table *reports = &v->c->tables[DEPLOY_RECORD_REPORT];
    for (size_t i = 0; i < reports->count; i++) {
        const deploy_key *key = &reports->items[i]->key;
        if (conductor_find(v->c, DEPLOY_RECORD_ORDER, key->owner, 0, key->service) == NULL)
            conductor_write_delete(v, key);
    }
}

void conductor_clean(conductor_view *v) {
    if (v->c->write_count > 0) return; // of what there is then
    clean_reports(v);
    for (size_t i = 0; i < v->project_count; i++)
        clean_releases(v, &v->projects[i]);
}
