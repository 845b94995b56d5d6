// The last orders on disk. A disk is slow, and each file is on it for good before the next one is
// written: a thread does that, in the order in which it was asked for.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/orders_state.h"
#include "agent/say.h"
#include "agent/vault.h"
#include "core/mem.h"
#include "io/steady.h"
#include "io/wall.h"
#include "state.pb-c.h"

enum { NAME_MAX_LEN = AGENT_SERVICE_NAME_LEN_MAX + 24, PATH_LEN_MAX = 512 };

typedef struct job {
    char name[NAME_MAX_LEN];
    uint8_t *bytes; // NULL: it goes
    size_t len;
    struct job *next;
} job;

struct orders_file {
    uv_loop_t *loop;
    char dir[AGENT_VAULT_PATH_MAX];
    job *first, **last; // a queue; the first is being carried out while is_working
    uv_work_t work;
    bool is_working, is_closed;
    char text[AGENT_VAULT_TEXT_MAX];
};

// ---- writing

static void carry_out(orders_file *f, const job *j) {
    char path[PATH_LEN_MAX];
    f->text[0] = '\0';
    if (j->bytes != NULL) {
        (void)agent_vault_write(f->dir, j->name, (mesh_bytes){j->bytes, j->len}, f->text);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, j->name);
    (void)unlink(path); // one that is read again names a service that has no order: it goes then
}

static void drop_first(orders_file *f) {
    job *j = f->first;
    f->first = j->next;
    if (f->first == NULL) f->last = &f->first;
    free(j->bytes);
    free(j);
}

static void in_thread(uv_work_t *work) {
    orders_file *f = work->data;
    carry_out(f, f->first);
}

static void free_file(orders_file *f) {
    while (f->first != NULL) { // nothing that was said is lost
        carry_out(f, f->first);
        drop_first(f);
    }
    free(f);
}

static void on_done(uv_work_t *work, int status) {
    orders_file *f = work->data;
    f->is_working = false;
    if (status == 0 && f->text[0] != '\0') agent_say("%s", f->text);
    drop_first(f);
    if (f->is_closed) {
        free_file(f);
        return;
    }
    if (f->first == NULL) return;
    f->is_working = uv_queue_work(f->loop, &f->work, in_thread, on_done) == 0;
}

// Takes bytes.
static void add(orders_file *f, const char *name, uint8_t *bytes, size_t len) {
    job *at = f->first != NULL && f->is_working ? f->first->next : f->first;
    while (at != NULL && strcmp(at->name, name) != 0)
        at = at->next;
    if (at == NULL) {
        at = mem_alloc(sizeof *at);
        (void)snprintf(at->name, sizeof at->name, "%s", name);
        *f->last = at;
        f->last = &at->next;
    }
    free(at->bytes);
    at->bytes = bytes;
    at->len = len;
    if (!f->is_working) f->is_working = uv_queue_work(f->loop, &f->work, in_thread, on_done) == 0;
}

orders_file *orders_file_open(uv_loop_t *loop, const char *dir) {
    char above[AGENT_VAULT_PATH_MAX];
    orders_file *f = mem_alloc(sizeof *f);
    f->loop = loop;
    f->last = &f->first;
    f->work.data = f;
    (void)snprintf(above, sizeof above, "%s/deploy", dir);
    (void)snprintf(f->dir, sizeof f->dir, "%s/deploy/orders", dir);
    (void)mkdir(above, 0700); // what is wrong with it writing says
    (void)mkdir(f->dir, 0700);
    return f;
}

void orders_file_close(orders_file *f) {
    f->is_closed = true;
    if (!f->is_working) free_file(f);
}

static void keep(orders_file *f, const char *name, const ProtobufCMessage *message) {
    size_t len = protobuf_c_message_get_packed_size(message);
    if (len > AGENT_VAULT_BODY_LEN_MAX) {
        agent_say("cannot keep the order %s: it is too long", name);
        return;
    }
    uint8_t *bytes = mem_alloc(len);
    (void)protobuf_c_message_pack(message, bytes);
    add(f, name, bytes, len);
}

static ProtobufCBinaryData pack(const ProtobufCMessage *message) {
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    (void)protobuf_c_message_pack(message, bytes);
    return (ProtobufCBinaryData){len, bytes};
}

void orders_file_keep(const ordered *o) {
    uint32_t count = (uint32_t)o->order->n_instances, told = 0;
    Warren__State__Ordered out = WARREN__STATE__ORDERED__INIT;
    Warren__State__OrderedInstance *instances = mem_alloc(count * sizeof *instances),
                                   **list = mem_alloc(count * sizeof(void *));
    for (uint32_t i = 0; i < count; i++) {
        const order_instance *in = &o->instances[i];
        warren__state__ordered_instance__init(&instances[i]);
        list[i] = &instances[i];
        instances[i].since = in->since;
        if (in->failed.release == 0 || in->failed.again_at_ms != UINT64_MAX) continue;
        instances[i].failed_release = in->failed.release;
        instances[i].failed_attempt = in->failed.attempt;
        if (told++ < ORDERS_FAILED_TOLD_MAX) instances[i].why = (char *)(uintptr_t)in->failed.why;
    }
    out.order = pack(&o->order->base);
    out.instances = list;
    out.n_instances = count;
    keep(o->orders->file, o->service, &out.base);
    free(out.order.data);
    free(instances);
    free(list);
}

static void name_of(const ordered *o, uint64_t number, char out[NAME_MAX_LEN]) {
    (void)snprintf(out, NAME_MAX_LEN, "%s.%llu", o->service, (unsigned long long)number);
}

void orders_file_keep_release(const ordered *o, uint64_t number) {
    const order_spec *s = o->specs;
    while (s != NULL && s->number != number)
        s = s->next;
    if (s == NULL || !orders_have(o, number)) return;
    Warren__State__OrderedRelease out = WARREN__STATE__ORDERED_RELEASE__INIT;
    char name[NAME_MAX_LEN];
    name_of(o, number, name);
    out.spec = pack(&s->spec->base);
    out.dir = orders_have_release(o->orders, o->project, number)->dir;
    keep(o->orders->file, name, &out.base);
    free(out.spec.data);
}

void orders_file_drop(const ordered *o) {
    add(o->orders->file, o->service, NULL, 0);
}

void orders_file_drop_release(const ordered *o, uint64_t number) {
    char name[NAME_MAX_LEN];
    name_of(o, number, name);
    add(o->orders->file, name, NULL, 0);
}

// ---- since when the store is away: its name is no service's

static const char cut_off_name[] = ".cut-off";

void orders_file_keep_cut_off(const agent_orders *orders, uint64_t at_ms) {
    Warren__State__CutOff out = WARREN__STATE__CUT_OFF__INIT;
    if (at_ms == UINT64_MAX) {
        add(orders->file, cut_off_name, NULL, 0);
        return;
    }
    // Another boot counts from another zero.
    out.at_ms = mesh_wall_ms() - (mesh_steady_ms() - at_ms);
    keep(orders->file, cut_off_name, &out.base);
}

static bool take_cut_off(const ProtobufCMessage *message, void *user) {
    *(uint64_t *)user = ((const Warren__State__CutOff *)message)->at_ms;
    return true;
}

uint64_t orders_file_cut_off(const agent_orders *orders) {
    char text[AGENT_VAULT_TEXT_MAX];
    uint64_t at_ms = 0, boot_ms = mesh_steady_ms(), now_ms = mesh_wall_ms();
    if (!agent_vault_has(orders->file->dir, cut_off_name) ||
        agent_vault_read_message(orders->file->dir, cut_off_name,
                                 &warren__state__cut_off__descriptor, take_cut_off, &at_ms,
                                 text) != 0)
        return boot_ms;
    uint64_t ago_ms = now_ms > at_ms ? now_ms - at_ms : 0;
    return boot_ms > ago_ms ? boot_ms - ago_ms : 0;
}

// ---- reading

typedef struct reading {
    agent_orders *orders;
    const char *name;
} reading;

static bool take_order(const ProtobufCMessage *message, void *user) {
    const reading *r = user;
    const Warren__State__Ordered *from = (const Warren__State__Ordered *)message;
    Warren__Deploy__Order *order =
        warren__deploy__order__unpack(NULL, from->order.len, from->order.data);
    ordered *o = order != NULL ? orders_add(r->orders, r->name) : NULL;
    if (o == NULL) {
        if (order != NULL) warren__deploy__order__free_unpacked(order, NULL);
        return false;
    }
    if (!orders_set(o, order)) {
        orders_remove(o);
        return false;
    }
    for (size_t i = 0; i < from->n_instances && i < o->order->n_instances; i++) {
        order_instance *in = &o->instances[i];
        in->since = from->instances[i]->since;
        in->failed.release = from->instances[i]->failed_release;
        in->failed.attempt = from->instances[i]->failed_attempt;
        in->failed.again_at_ms = UINT64_MAX;
        (void)snprintf(in->failed.why, sizeof in->failed.why, "%s", from->instances[i]->why);
    }
    return true;
}

static bool take_release(const ProtobufCMessage *message, void *user) {
    const reading *r = user;
    const Warren__State__OrderedRelease *from = (const Warren__State__OrderedRelease *)message;
    char service[NAME_MAX_LEN];
    struct stat place;
    unsigned long long number;
    (void)snprintf(service, sizeof service, "%.*s", (int)strcspn(r->name, "."), r->name);
    ordered *o = orders_find(r->orders, service);
    if (o == NULL || sscanf(strchr(r->name, '.'), ".%llu", &number) != 1) return false;
    Warren__Deploy__Spec *spec =
        warren__deploy__spec__unpack(NULL, from->spec.len, from->spec.data);
    if (spec == NULL || spec->run == NULL) {
        if (spec != NULL) warren__deploy__spec__free_unpacked(spec, NULL);
        return false;
    }
    orders_have_set_spec(o, number, spec);
    if (stat(from->dir, &place) == 0 && S_ISDIR(place.st_mode))
        orders_have_set(r->orders, o->project, number, from->dir);
    return true;
}

static void read_one(agent_orders *orders, const char *name, bool is_release) {
    char text[AGENT_VAULT_TEXT_MAX];
    reading r = {orders, name};
    const ProtobufCMessageDescriptor *descriptor = is_release
                                                       ? &warren__state__ordered_release__descriptor
                                                       : &warren__state__ordered__descriptor;
    int err = agent_vault_read_message(orders->file->dir, name, descriptor,
                                       is_release ? take_release : take_order, &r, text);
    if (err == 0) return;
    agent_say("cannot read %s/%s, which is damaged: the store will say it again", orders->file->dir,
              name);
    add(orders->file, name, NULL, 0);
}

// Not one that was being written, or taken away with its order, when the agent was killed.
static bool is_needed(const agent_orders *orders, const char *name) {
    char service[NAME_MAX_LEN];
    (void)snprintf(service, sizeof service, "%.*s", (int)strcspn(name, "."), name);
    const char *number = strchr(name, '.') + 1;
    return number[0] != '\0' && number[strspn(number, "0123456789")] == '\0' &&
           orders_find(orders, service) != NULL;
}

static void read_all(agent_orders *orders, bool are_releases) {
    DIR *dir = opendir(orders->file->dir);
    if (dir == NULL) return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        bool is_release = strchr(name, '.') != NULL;
        if (name[0] == '.' || strlen(name) >= NAME_MAX_LEN || is_release != are_releases) continue;
        if (is_release && !is_needed(orders, name))
            add(orders->file, name, NULL, 0);
        else
            read_one(orders, name, is_release);
    }
    closedir(dir);
}

void orders_file_read(agent_orders *orders) {
    read_all(orders, false);
    read_all(orders, true);
}
