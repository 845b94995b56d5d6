// What a turn of the conductor costs: HOSTS hosts, SERVICES services with INSTANCES each, all of
// them deployed, then a host that is drained, one that is lost, and a release that takes the place.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "deploy/conductor.h"
#include "deploy/record.h"

static deploy_conductor *c;
static int64_t revision = 1;
static uint64_t now_ms = 1000000;
static uint32_t hosts, services, instances;

static double clock_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static void put(deploy_record_kind kind, const char *owner, uint64_t number, const char *service,
                const ProtobufCMessage *message) {
    deploy_key key = {.kind = kind, .number = number};
    char text[DEPLOY_KEY_MAX];
    uint8_t *value = mem_alloc(protobuf_c_message_get_packed_size(message));
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    deploy_key_write(&key, text);
    const char *why = deploy_conductor_put(
        c, mesh_bytes_text(text), (mesh_bytes){value, protobuf_c_message_pack(message, value)},
        ++revision);
    if (why != NULL) (void)printf("%s\n", why);
    free(value);
}

static void put_host(uint32_t number) {
    char name[DEPLOY_NAME_MAX];
    Warren__Deploy__Host host = WARREN__DEPLOY__HOST__INIT;
    (void)snprintf(name, sizeof name, "host-%04u.example", number);
    host.cpu_milli = 64000;
    host.memory = 1ULL << 40;
    put(DEPLOY_RECORD_HOST, name, 0, "", &host.base);
}

static void put_release(uint64_t number) {
    Warren__Deploy__Release release = WARREN__DEPLOY__RELEASE__INIT;
    char(*names)[DEPLOY_NAME_MAX] = mem_alloc(services * sizeof *names);
    char **of = mem_alloc(services * sizeof(char *));
    uint8_t hash[32] = {(uint8_t)number};
    for (uint32_t i = 0; i < services; i++) {
        Warren__Deploy__Spec spec = WARREN__DEPLOY__SPEC__INIT;
        Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
        (void)snprintf(names[i], sizeof names[i], "service-%03u", i);
        of[i] = names[i];
        spec.run = &run;
        spec.count = instances;
        spec.is_spread = i % 2 == 0;
        spec.disconnect = WARREN__DEPLOY__SPEC__DISCONNECT__REPLACE;
        put(DEPLOY_RECORD_SPEC, "p", number, names[i], &spec.base);
    }
    release.number = number;
    release.manifest_hash = (ProtobufCBinaryData){sizeof hash, hash};
    release.services = of;
    release.n_services = services;
    put(DEPLOY_RECORD_RELEASE, "p", number, "", &release.base);
    free(of);
    free(names);
}

static void put_project(uint64_t deployment, uint64_t release) {
    Warren__Deploy__Project project = WARREN__DEPLOY__PROJECT__INIT;
    project.deployment = deployment;
    project.release = release;
    put(DEPLOY_RECORD_PROJECT, "p", 0, "", &project.base);
}

// As a host that does at once what it is told.
static void carry_out(const deploy_op *op) {
    deploy_key key;
    const char *why;
    if (!deploy_key_read(op->key, &key) || key.kind != DEPLOY_RECORD_ORDER || op->is_delete) return;
    ProtobufCMessage *message = deploy_record_decode(key.kind, op->value, &why);
    const Warren__Deploy__Order *order = (const Warren__Deploy__Order *)message;
    Warren__Deploy__Report report = WARREN__DEPLOY__REPORT__INIT;
    Warren__Deploy__Present *presents = mem_alloc(order->n_instances * sizeof *presents);
    Warren__Deploy__Prepared prepared[DEPLOY_PREPARE_MAX], *prepared_of[DEPLOY_PREPARE_MAX];
    report.version = order->version;
    report.instances = mem_alloc(order->n_instances * sizeof(Warren__Deploy__Present *));
    report.n_instances = order->n_instances;
    for (size_t i = 0; i < order->n_instances; i++) {
        warren__deploy__present__init(&presents[i]);
        presents[i].release = order->instances[i]->release;
        presents[i].attempt = order->instances[i]->attempt;
        if (presents[i].release != 0) presents[i].state = WARREN__DEPLOY__PRESENT__STATE__READY;
        report.instances[i] = &presents[i];
    }
    report.prepared = prepared_of;
    report.n_prepared = order->n_prepare;
    for (size_t i = 0; i < order->n_prepare; i++) {
        warren__deploy__prepared__init(&prepared[i]);
        prepared[i].release = order->prepare[i];
        prepared_of[i] = &prepared[i];
    }
    put(DEPLOY_RECORD_REPORT, key.owner, 0, key.service, &report.base);
    free(report.instances);
    free(presents);
    deploy_record_free(message);
}

static deploy_op copies[DEPLOY_OPS_MAX];

static size_t keep_ops(const deploy_transaction *t) {
    for (size_t i = 0; i < t->op_count; i++) {
        copies[i] = t->ops[i];
        copies[i].key.data = mem_copy(t->ops[i].key.data, t->ops[i].key.len);
        copies[i].value.data = mem_copy(t->ops[i].value.data, t->ops[i].value.len);
    }
    return t->op_count;
}

static void run(const char *what) {
    double longest = 0, sum = 0;
    uint32_t turns = 0, transactions = 0;
    size_t ops = 0;
    for (uint32_t idle = 0; idle < 3;) {
        deploy_transaction t;
        double from = clock_ms();
        bool has_some = deploy_conductor_turn(c, now_ms, &t);
        double took = clock_ms() - from;
        sum += took;
        turns++;
        if (took > longest) longest = took;
        now_ms += has_some ? 5 : 1100;
        idle = has_some ? 0 : idle + 1;
        if (!has_some) continue;
        size_t count = keep_ops(&t);
        ops += count;
        transactions++;
        from = clock_ms();
        deploy_conductor_committed(c, ++revision);
        took = clock_ms() - from;
        if (took > longest) longest = took;
        for (size_t i = 0; i < count; i++) {
            carry_out(&copies[i]);
            free((void *)(uintptr_t)copies[i].key.data);
            free((void *)(uintptr_t)copies[i].value.data);
        }
    }
    (void)printf("%-10s %5u turns, %5u transactions with %6zu changes; %6.1f ms in all a turn, "
                 "%6.1f ms the longest\n",
                 what, turns, transactions, ops, sum / turns, longest);
}

int main(int argc, char **argv) {
    hosts = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000;
    services = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200;
    instances = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 5;
    Warren__Deploy__Drained drained = WARREN__DEPLOY__DRAINED__INIT;
    c = deploy_conductor_create();
    for (uint32_t i = 0; i < hosts; i++)
        put_host(i);
    put_release(1);
    put_project(1, 1);
    run("deploy");
    put(DEPLOY_RECORD_DRAINED, "host-0001.example", 0, "", &drained.base);
    run("drain");
    deploy_conductor_delete(c, mesh_bytes_text("deploy/host/host-0002.example"), ++revision);
    run("lost");
    put_release(2);
    put_project(2, 2);
    run("replace");
    deploy_conductor_destroy(c);
    return 0;
}
