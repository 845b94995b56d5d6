// What a store reads from outside: the first byte chooses the text that says where it is, an answer
// of etcd to one kind of request, a line of a watch, or an error. Bounds are kept, and what was
// taken is under the prefix.
#include "core/mem.h"
#include "fuzz.h"
#include "store/etcd_json.h"

static const char prefix[] = "/p";

static void read_place(mesh_bytes input) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    char *text = mem_alloc(input.len + 1);
    memcpy(text, input.data, input.len);
    store_place place;
    if (store_place_parse(text, &place, sentence) == 0 && place.type == STORE_ETCD) {
        CHECK(place.endpoint_count > 0 && place.endpoint_count <= STORE_ENDPOINTS_MAX);
        CHECK(place.prefix[0] == '/' && strlen(place.prefix) <= STORE_PREFIX_LEN_MAX);
    }
    free(text);
}

static void check_bytes(mesh_bytes key, mesh_bytes value) {
    CHECK(key.len > 0 && key.len <= STORE_KEY_LEN_MAX);
    CHECK(value.len <= STORE_VALUE_LEN_MAX);
}

static void read_answer(store_request_kind kind, mesh_bytes input) {
    store_request request = {.kind = kind, .limit = 4, .lease = 7};
    store_reply reply = {.error = 0};
    if (!store_etcd_parse(&request, prefix, input, &reply)) {
        CHECK(reply.pair_count == 0 && reply.error == 0);
        return;
    }
    CHECK(reply.revision > 0 && reply.pair_count <= request.limit);
    for (size_t i = 0; i < reply.pair_count; i++)
        check_bytes(reply.pairs[i].key, reply.pairs[i].value);
    store_reply_clear(&reply);
}

static void read_news(mesh_bytes input) {
    store_etcd_news news;
    if (!store_etcd_parse_news(input, prefix, &news)) return;
    for (size_t i = 0; i < news.reply.change_count; i++)
        check_bytes(news.reply.changes[i].key, news.reply.changes[i].value);
    store_reply_clear(&news.reply);
}

static void read_error(mesh_bytes input) {
    store_reply reply = {.error = 0};
    store_etcd_fault fault = store_etcd_explain(500, input, "h:1", &reply);
    CHECK(fault == STORE_ETCD_NO_TOKEN || reply.error != 0);
    CHECK((reply.error != 0) == (reply.sentence[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_bytes input = {data + 1, size - 1};
    switch (data[0] % 8) {
    case 0: read_place(input); break;
    case 1: read_answer(STORE_READ, input); break;
    case 2: read_answer(STORE_COMMIT, input); break;
    case 3: read_answer(STORE_GRANT, input); break;
    case 4: read_answer(STORE_KEEP, input); break;
    case 5: read_answer(STORE_REVOKE, input); break;
    case 6: read_news(input); break;
    default: read_error(input); break;
    }
    return 0;
}
