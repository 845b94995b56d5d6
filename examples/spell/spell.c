// Spelling, as a service in C: it reads the words of some files and says which of them are nearest
// to a word that is asked for. README.md shows how to run it.
#include <ctype.h>
#include <errno.h>
#include <msgpack.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <warren.h>

enum { WORD_LEN_MAX = 32, DISTANCE_MAX = 2, LIMIT_DEFAULT = 5, LIMIT_MAX = 50 };

// ---- the words

typedef struct entry {
    char text[WORD_LEN_MAX + 1];
    size_t len;
    unsigned count; // how often it was read
} entry;

static entry *words;
static size_t word_count, word_cap;

static int compare_texts(const void *a, const void *b) {
    return strcmp(((const entry *)a)->text, ((const entry *)b)->text);
}

static void add_word(const char *text, size_t len) {
    if (word_count == word_cap) {
        word_cap = word_cap ? 2 * word_cap : 4096;
        words = realloc(words, word_cap * sizeof *words);
        if (!words) abort();
    }
    entry *word = &words[word_count++];
    *word = (entry){.len = len, .count = 1};
    memcpy(word->text, text, len);
}

static int read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "spell: %s: %s\n", path, strerror(errno));
        return -1;
    }
    char text[WORD_LEN_MAX];
    size_t len = 0;
    for (int c; (c = fgetc(file)) != EOF;) {
        if (isalpha(c)) {
            if (len < sizeof text) text[len] = (char)tolower(c);
            len++;
            continue;
        }
        if (len > 2 && len <= sizeof text) add_word(text, len);
        len = 0;
    }
    fclose(file);
    return 0;
}

// Each word once, with its count.
static void sort_words(void) {
    if (word_count == 0) return;
    qsort(words, word_count, sizeof *words, compare_texts);
    size_t last = 0;
    for (size_t i = 1; i < word_count; i++) {
        if (strcmp(words[i].text, words[last].text) == 0)
            words[last].count++;
        else
            words[++last] = words[i];
    }
    word_count = last + 1;
}

// How many letters must be changed, added, dropped or swapped; DISTANCE_MAX + 1 for more than that.
static int distance_of(const char *a, size_t a_len, const char *b, size_t b_len) {
    int row[3][WORD_LEN_MAX + 1];
    if (a_len > b_len + DISTANCE_MAX || b_len > a_len + DISTANCE_MAX) return DISTANCE_MAX + 1;
    for (size_t j = 0; j <= b_len; j++)
        row[0][j] = (int)j;
    for (size_t i = 1; i <= a_len; i++) {
        int *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        int best = now[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            int cost = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < cost) cost = before[j] + 1;
            if (now[j - 1] + 1 < cost) cost = now[j - 1] + 1;
            int is_swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swapped && earlier[j - 2] + 1 < cost) cost = earlier[j - 2] + 1;
            now[j] = cost;
            if (cost < best) best = cost;
        }
        if (best > DISTANCE_MAX) return best;
    }
    return row[a_len % 3][b_len];
}

typedef struct found {
    const entry *word;
    int distance;
} found;

static int compare_found(const void *left, const void *right) {
    const found *a = left, *b = right;
    if (a->distance != b->distance) return a->distance - b->distance;
    return a->word->count > b->word->count ? -1 : a->word->count < b->word->count;
}

// The nearest words, the more frequent ones first. Returns how many were put into `out`.
static size_t suggest(const char *text, size_t len, found *out, size_t limit) {
    size_t count = 0;
    found *all = malloc((word_count + 1) * sizeof *all);
    if (!all) abort();
    for (size_t i = 0; i < word_count; i++) {
        int distance = distance_of(text, len, words[i].text, words[i].len);
        if (distance <= DISTANCE_MAX) all[count++] = (found){&words[i], distance};
    }
    qsort(all, count, sizeof *all, compare_found);
    if (count > limit) count = limit;
    memcpy(out, all, count * sizeof *all);
    free(all);
    return count;
}

// ---- MessagePack

static void pack_text(msgpack_packer *packer, const char *text) {
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static int is_text(const msgpack_object *object, const char *text) {
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, object->via.str.size) == 0;
}

// The value of a key of a map, or NULL.
static const msgpack_object *value_of(const msgpack_object *map, const char *key) {
    if (map->type != MSGPACK_OBJECT_MAP) return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (is_text(&map->via.map.ptr[i].key, key)) return &map->via.map.ptr[i].val;
    return NULL;
}

// ---- the service

static void answer(warren_request *request, const found *best, size_t count) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, count);
    for (size_t i = 0; i < count; i++) {
        msgpack_pack_map(&packer, 3);
        pack_text(&packer, "word");
        pack_text(&packer, best[i].word->text);
        pack_text(&packer, "distance");
        msgpack_pack_int(&packer, best[i].distance);
        pack_text(&packer, "count");
        msgpack_pack_unsigned_int(&packer, best[i].word->count);
    }
    warren_reply(request, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

// suggest({word, limit?}) -> [{word, distance, count}]
static void on_suggest(warren_request *request) {
    msgpack_unpacked input;
    msgpack_unpacked_init(&input);
    size_t at = 0;
    msgpack_unpack_next(&input, request->payload.data, request->payload.len, &at);
    const msgpack_object *word = value_of(&input.data, "word");
    const msgpack_object *wanted = value_of(&input.data, "limit");
    size_t limit = LIMIT_DEFAULT;
    if (wanted && wanted->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        limit = wanted->via.u64 < LIMIT_MAX ? (size_t)wanted->via.u64 : LIMIT_MAX;
    if (!word || word->type != MSGPACK_OBJECT_STR || word->via.str.size > WORD_LEN_MAX) {
        warren_fail(request, "EINVAL",
                    "suggest({word, limit}): `word` is a text of at most 32 letters");
    } else {
        found best[LIMIT_MAX];
        answer(request, best, suggest(word->via.str.ptr, word->via.str.size, best, limit));
    }
    msgpack_unpacked_destroy(&input);
}

static void on_request(warren *w, warren_request *request, void *user) {
    (void)w, (void)user;
    if (strcmp(request->name, "suggest") == 0)
        on_suggest(request);
    else
        warren_refuse(request, WARREN_NO_METHOD);
}

static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    warren_stop(signal->data);
}

static void on_event(warren *w, warren_event event, void *user) {
    (void)user;
    if (event != WARREN_EVENT_AGENT_LOST) return;
    fprintf(stderr, "spell: the agent of this host is gone\n");
    warren_stop(w);
}

static int serve(warren *w, char **files) {
    for (; *files; files++)
        if (read_file(*files) != 0) return 1;
    sort_words();
    int err = warren_serve(w, "spell", NULL, on_request, NULL, NULL);
    if (err != 0) {
        fprintf(stderr, "spell: cannot serve: %s\n", warren_error_text(err));
        return 1;
    }
    fprintf(stderr, "spell: %zu words\n", word_count);
    uv_signal_t interrupted, terminated;
    uv_signal_init(warren_loop(w), &interrupted);
    uv_signal_init(warren_loop(w), &terminated);
    interrupted.data = terminated.data = w;
    uv_signal_start(&interrupted, on_signal, SIGINT);
    uv_signal_start(&terminated, on_signal, SIGTERM);
    warren_run(w);
    uv_close((uv_handle_t *)&interrupted, NULL);
    uv_close((uv_handle_t *)&terminated, NULL);
    warren_close(w, 2000);
    return 0;
}

// ---- the client

typedef struct asking {
    const char *word;
    int status;
} asking;

static void on_answer(warren *w, const warren_answer *got, void *user) {
    asking *ask = user;
    if (got->error != WARREN_OK) {
        fprintf(stderr, "spell: %s: %s\n", warren_error_name(got->error), got->text);
        ask->status = 1;
    } else {
        msgpack_unpacked value;
        msgpack_unpacked_init(&value);
        size_t at = 0;
        msgpack_unpack_next(&value, got->payload.data, got->payload.len, &at);
        printf("%s:", ask->word);
        for (uint32_t i = 0;
             value.data.type == MSGPACK_OBJECT_ARRAY && i < value.data.via.array.size; i++) {
            const msgpack_object *word = value_of(&value.data.via.array.ptr[i], "word");
            if (word && word->type == MSGPACK_OBJECT_STR)
                printf(" %.*s", (int)word->via.str.size, word->via.str.ptr);
        }
        printf("\n");
        msgpack_unpacked_destroy(&value);
    }
    warren_stop(w);
}

static int ask(warren *w, char **asked) {
    int status = 0;
    for (; *asked && status == 0; asked++) {
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        msgpack_pack_map(&packer, 1);
        pack_text(&packer, "word");
        pack_text(&packer, *asked);
        asking one = {.word = *asked};
        warren_callee callee = {.service = "spell", .method = "suggest"};
        int err = warren_call(w, &callee, (warren_bytes){buffer.data, buffer.size}, on_answer, &one,
                              NULL);
        msgpack_sbuffer_destroy(&buffer);
        if (err != 0) {
            fprintf(stderr, "spell: cannot ask: %s\n", warren_error_text(err));
            status = 1;
        } else {
            warren_run(w);
            status = one.status;
        }
    }
    warren_close(w, 1000);
    return status;
}

int main(int argc, char **argv) {
    int is_serving = argc > 2 && strcmp(argv[1], "serve") == 0;
    if (!is_serving && !(argc > 2 && strcmp(argv[1], "ask") == 0)) {
        fprintf(stderr, "usage: spell serve FILE... | spell ask WORD...\n");
        return 2;
    }
    warren *w;
    warren_options options = {.name = is_serving ? "spell" : NULL, .on_event = on_event};
    int err = warren_open(&options, &w);
    if (err != 0) {
        fprintf(stderr, "spell: %s\n", warren_error_text(err));
        return 4;
    }
    return is_serving ? serve(w, argv + 2) : ask(w, argv + 2);
}
