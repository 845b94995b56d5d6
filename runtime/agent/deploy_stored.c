#include "agent/deploy_stored.h"

#include <stdio.h>
#include <string.h>

static const agent_mirror_pair *get(const deploy_stored *s, const char *kind, uint64_t release,
                                    const char *service) {
    char key[STORE_KEY_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/%s/%.100s/%010llu%s%.100s", kind, s->project,
                   (unsigned long long)release, service[0] != '\0' ? "/" : "", service);
    return agent_mirror_get(s->mirror, key);
}

// Gives it; NULL: it is not there.
static Warren__Deploy__Release *release_of(const deploy_stored *s, uint64_t release) {
    const agent_mirror_pair *pair = get(s, "release", release, "");
    return pair != NULL ? warren__deploy__release__unpack(NULL, pair->value.len, pair->value.data)
                        : NULL;
}

static void drop(Warren__Deploy__Release *release) {
    if (release != NULL) warren__deploy__release__free_unpacked(release, NULL);
}

static bool has(const void *user, uint64_t number) {
    const deploy_stored *s = user;
    Warren__Deploy__Release *release = release_of(s, number);
    bool is_there = release != NULL;
    for (size_t i = 0; release != NULL && i < release->n_services; i++)
        is_there = is_there && get(s, "spec", number, release->services[i]) != NULL;
    drop(release);
    return is_there;
}

static bool is_equal(const agent_mirror_pair *a, const agent_mirror_pair *b) {
    return a != NULL && b != NULL && a->value.len == b->value.len &&
           (a->value.len == 0 || memcmp(a->value.data, b->value.data, a->value.len) == 0);
}

static bool are_files_same(const Warren__Deploy__Release *a, const Warren__Deploy__Release *b) {
    ProtobufCBinaryData x = a->manifest_hash, y = b->manifest_hash;
    return a->n_services == b->n_services && x.len == y.len && x.len > 0 &&
           memcmp(x.data, y.data, x.len) == 0;
}

static bool is_same(const void *user, uint64_t a, uint64_t b) {
    const deploy_stored *s = user;
    Warren__Deploy__Release *x = release_of(s, a), *y = release_of(s, b);
    bool is_it = x != NULL && y != NULL && are_files_same(x, y);
    for (size_t i = 0; is_it && i < x->n_services; i++)
        is_it = is_equal(get(s, "spec", a, x->services[i]), get(s, "spec", b, x->services[i]));
    drop(x);
    drop(y);
    return is_it;
}

agent_deploy_history deploy_stored_history(const deploy_stored *stored) {
    return (agent_deploy_history){.has = has, .is_same = is_same, .user = stored};
}
