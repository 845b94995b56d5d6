// What is in a release, and what a hostile list of it may not do.
#include "deploy/bundle_chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <zstd.h>

#include "bundle.pb-c.h"
#include "core/error.h"
#include "core/mem.h"
#include "test.h"

static char text[DEPLOY_TEXT_MAX];

static deploy_entry file(const char *path, const char *content) {
    mesh_bytes bytes = mesh_bytes_text(content);
    return (deploy_entry){
        .path = path, .kind = DEPLOY_FILE, .len = bytes.len, .hash = deploy_hash_of(bytes)};
}

static deploy_entry directory(const char *path) {
    return (deploy_entry){.path = path, .kind = DEPLOY_DIRECTORY};
}

static deploy_entry link_to(const char *path, const char *target) {
    return (deploy_entry){.path = path, .kind = DEPLOY_LINK, .target = target};
}

static mesh_bytes encode(const deploy_entry *entries, size_t count) {
    deploy_bundle bundle;
    deploy_bundle_init(&bundle);
    for (size_t i = 0; i < count; i++)
        deploy_bundle_add(&bundle, &entries[i]);
    EXPECT_OK(deploy_bundle_finish(&bundle, text));
    mesh_bytes bytes = deploy_bundle_encode(&bundle);
    deploy_bundle_deinit(&bundle);
    return bytes;
}

static int decode(mesh_bytes bytes) {
    deploy_bundle bundle;
    int err = deploy_bundle_decode(bytes, &bundle, text);
    deploy_bundle_deinit(&bundle);
    return err;
}

static void done(mesh_bytes bytes) {
    free((void *)(uintptr_t)bytes.data);
}

// What finish says of these, in any order.
static int finish(const deploy_entry *entries, size_t count) {
    deploy_bundle bundle;
    deploy_bundle_init(&bundle);
    for (size_t i = 0; i < count; i++)
        deploy_bundle_add(&bundle, &entries[i]);
    int err = deploy_bundle_finish(&bundle, text);
    deploy_bundle_deinit(&bundle);
    return err;
}
#define FINISH(...)                                                                                \
    finish((deploy_entry[]){__VA_ARGS__},                                                          \
           sizeof((deploy_entry[]){__VA_ARGS__}) / sizeof(deploy_entry))

TEST(the_same_files_in_another_order_are_the_same_bytes) {
    const deploy_entry one[] = {file("a.js", "a"), directory("lib"), file("lib/b.js", "b"),
                                link_to("lib/c.js", "../a.js")};
    const deploy_entry other[] = {one[3], one[2], one[0], one[1]};
    mesh_bytes a = encode(one, 4), b = encode(other, 4);
    EXPECT_EQ(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    done(a);
    done(b);
}

TEST(what_was_encoded_is_decoded_again) {
    deploy_bundle bundle;
    deploy_hash chunks[2] = {deploy_hash_of(mesh_bytes_text("one")),
                             deploy_hash_of(mesh_bytes_text("two"))};
    deploy_entry large = {.path = "bin/large",
                          .kind = DEPLOY_FILE,
                          .is_executable = true,
                          .len = DEPLOY_CHUNK_LEN + 3,
                          .hash = deploy_hash_of(mesh_bytes_text("all")),
                          .chunks = chunks,
                          .chunk_count = 2};
    const deploy_entry entries[] = {directory("bin"), large, link_to("main", "bin/large"),
                                    file("empty", "")};
    mesh_bytes bytes = encode(entries, 4);
    EXPECT_OK(deploy_bundle_decode(bytes, &bundle, text));
    EXPECT_EQ(4, bundle.count);
    EXPECT_EQ(2, bundle.file_count);
    EXPECT_EQ(DEPLOY_CHUNK_LEN + 3, bundle.len);
    const deploy_entry *found = deploy_bundle_find(&bundle, "bin/large");
    EXPECT_TRUE(found != NULL && found->is_executable);
    EXPECT_EQ(2, deploy_entry_chunk_count(found));
    EXPECT_TRUE(deploy_hash_equal(&chunks[1], deploy_entry_chunk(found, 1)));
    EXPECT_EQ(3, deploy_entry_chunk_len(found, 1));
    EXPECT_EQ(0, deploy_entry_chunk_count(deploy_bundle_find(&bundle, "empty")));
    EXPECT_TEXT("bin/large", deploy_bundle_find(&bundle, "main")->target);
    EXPECT_TRUE(deploy_bundle_find(&bundle, "bin/larg") == NULL);
    deploy_bundle_deinit(&bundle);
    done(bytes);
}

TEST(paths_that_lead_elsewhere_are_refused) {
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../b", "a//b", "a/",
                                      ".",           "..",   "",       "./a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_EQ(MESH_EINVAL, FINISH(directory("a"), file(bad[i], "x")));
    EXPECT_OK(FINISH(directory("a"), file("a/..b", "x"), file("...", "x"), file("\xff\n", "x")));
}

TEST(a_path_as_long_and_as_deep_as_allowed_is_taken_and_one_more_is_not) {
    char path[2 * DEPLOY_DEPTH_MAX + 2] = "", part[DEPLOY_PART_LEN_MAX + 2];
    deploy_entry entries[DEPLOY_DEPTH_MAX + 1];
    char *paths[DEPLOY_DEPTH_MAX + 1];
    for (size_t i = 0; i <= DEPLOY_DEPTH_MAX; i++) {
        memcpy(path + (i > 0 ? 2 * i - 1 : 0), i > 0 ? "/d" : "d", i > 0 ? 3 : 2);
        paths[i] = mem_copy(path, strlen(path) + 1);
        entries[i] = directory(paths[i]);
    }
    EXPECT_OK(finish(entries, DEPLOY_DEPTH_MAX));
    EXPECT_EQ(MESH_EINVAL, finish(entries, DEPLOY_DEPTH_MAX + 1));
    for (size_t i = 0; i <= DEPLOY_DEPTH_MAX; i++)
        free(paths[i]);
    memset(part, 'x', sizeof part);
    part[DEPLOY_PART_LEN_MAX + 1] = '\0';
    EXPECT_EQ(MESH_EINVAL, FINISH(file(part, "x")));
    part[DEPLOY_PART_LEN_MAX] = '\0';
    EXPECT_OK(FINISH(file(part, "x")));
}

TEST(the_same_path_twice_is_refused) {
    EXPECT_EQ(MESH_EINVAL, FINISH(file("a", "1"), file("a", "2")));
    EXPECT_EQ(MESH_EINVAL, FINISH(file("a", "1"), link_to("a", "b")));
    EXPECT_OK(FINISH(file("a", "1"), file("A", "2"))); // two files where it is packed
}

TEST(nothing_lies_below_a_link_or_a_file_or_nothing) {
    EXPECT_EQ(MESH_EINVAL, FINISH(directory("d"), link_to("l", "d"), file("l/x", "x")));
    EXPECT_EQ(MESH_EINVAL, FINISH(file("f", "f"), file("f/x", "x")));
    EXPECT_EQ(MESH_EINVAL, FINISH(file("d/x", "x")));
    EXPECT_EQ(MESH_EINVAL, FINISH(directory("d/e"), file("d/e/x", "x")));
}

TEST(links_stay_inside) {
    static const struct {
        const char *path, *target;
        bool is_inside;
    } cases[] = {
        {"l", "a", true},
        {"l", "./a", true},
        {"l", "a/b/c", true},
        {"l", ".", true},
        {"d/l", "..", true},
        {"d/l", "../", true},
        {"d/l", "../a", true},
        {"d/e/l", "../../a/b", true},
        {"l", "/etc/passwd", false},
        {"l", "..", false},
        {"l", "../a", false},
        {"d/l", "../..", false},
        {"d/l", "../../a", false},
        {"d/l", "", false},
        // `x` may be a link to `.`: then this is above the root.
        {"d/l", "x/../../a", false},
        {"d/l", "x/..", false},
        {"d/e/l", "../x/../a", false},
        {"l", "a//b", false},
        {"l", "a/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (deploy_bundle_is_inside(cases[i].path, cases[i].target) != cases[i].is_inside)
            fail_msg("%s -> %s", cases[i].path, cases[i].target);
    EXPECT_EQ(MESH_EINVAL, FINISH(link_to("l", "../x")));
}

TEST(a_file_that_is_too_large_or_whose_chunks_do_not_fit_is_refused) {
    deploy_hash chunks[2] = {{{1}}, {{2}}};
    deploy_entry large = {.path = "large", .kind = DEPLOY_FILE, .len = DEPLOY_FILE_LEN_MAX + 1};
    EXPECT_EQ(MESH_EINVAL, FINISH(large));
    large.len = DEPLOY_CHUNK_LEN + 1;
    EXPECT_EQ(MESH_EINVAL, FINISH(large));
    large.chunks = chunks;
    large.chunk_count = 2;
    EXPECT_OK(FINISH(large));
    large.len = DEPLOY_CHUNK_LEN;
    EXPECT_EQ(MESH_EINVAL, FINISH(large));
}

TEST(files_that_are_too_much_together_are_refused) {
    static deploy_hash chunks[DEPLOY_FILE_CHUNKS_MAX];
    deploy_entry large = {.path = "0",
                          .kind = DEPLOY_FILE,
                          .len = DEPLOY_FILE_LEN_MAX,
                          .chunks = chunks,
                          .chunk_count = DEPLOY_FILE_CHUNKS_MAX};
    deploy_entry all[] = {large, large, large, large, file("last", "x")};
    all[1].path = "1";
    all[2].path = "2";
    all[3].path = "3";
    EXPECT_OK(finish(all, 4));
    EXPECT_EQ(MESH_ETOOBIG, finish(all, 5));
}

// ---- bytes from somebody who means harm

static mesh_bytes pack(Warren__Bundle__Entry **entries, size_t count) {
    Warren__Bundle__Manifest message = WARREN__BUNDLE__MANIFEST__INIT;
    message.version = 1;
    message.entries = entries;
    message.n_entries = count;
    size_t len = warren__bundle__manifest__get_packed_size(&message);
    uint8_t *bytes = mem_alloc(len);
    (void)warren__bundle__manifest__pack(&message, bytes);
    return (mesh_bytes){bytes, len};
}

static Warren__Bundle__Entry raw_directory(const char *path, size_t len) {
    Warren__Bundle__Entry entry = WARREN__BUNDLE__ENTRY__INIT;
    entry.path = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)path};
    return entry;
}

TEST(entries_out_of_order_are_refused) {
    Warren__Bundle__Entry b = raw_directory("b", 1), a = raw_directory("a", 1);
    mesh_bytes bytes = pack((Warren__Bundle__Entry *[]){&a, &b}, 2);
    EXPECT_OK(decode(bytes));
    done(bytes);
    bytes = pack((Warren__Bundle__Entry *[]){&b, &a}, 2);
    EXPECT_EQ(MESH_EINVAL, decode(bytes));
    done(bytes);
}

TEST(a_byte_0_in_a_path_is_refused) {
    Warren__Bundle__Entry entry = raw_directory("a\0b", 3);
    mesh_bytes bytes = pack((Warren__Bundle__Entry *[]){&entry}, 1);
    EXPECT_EQ(MESH_EINVAL, decode(bytes));
    done(bytes);
}

static void put(uint8_t *to, uint8_t first, uint8_t second) {
    to[0] = first;
    to[1] = second;
}

TEST(what_is_said_in_another_way_is_refused) {
    const deploy_entry entries[] = {file("a", "1"), directory("b")};
    mesh_bytes bytes = encode(entries, 2);
    uint8_t *other = mem_alloc(bytes.len + 3);
    memcpy(other, bytes.data, bytes.len);
    put(other + bytes.len, 0x78, 0x01); // a field that nobody knows
    EXPECT_OK(decode((mesh_bytes){other, bytes.len}));
    EXPECT_EQ(MESH_EINVAL, decode((mesh_bytes){other, bytes.len + 2}));
    put(other + bytes.len, 0x18, 0x00); // a default
    EXPECT_EQ(MESH_EINVAL, decode((mesh_bytes){other, bytes.len + 2}));
    other[2] = 0;
    put(other, 0x08, 0x81); // version 1 in two bytes
    memcpy(other + 3, bytes.data + 2, bytes.len - 2);
    EXPECT_EQ(MESH_EINVAL, decode((mesh_bytes){other, bytes.len + 1}));
    EXPECT_EQ(MESH_EINVAL, decode((mesh_bytes){bytes.data, bytes.len - 1}));
    free(other);
    done(bytes);
}

static long memory_at_most(void) { // KiB
    struct rusage usage;
    EXPECT_OK(getrusage(RUSAGE_SELF, &usage));
    return usage.ru_maxrss;
}

TEST(a_list_of_millions_of_nothings_takes_little_memory) {
    size_t len = 16 << 20;
    long before = memory_at_most();
    uint8_t *bytes = mem_alloc(len);
    for (size_t i = 0; i < len; i += 2)
        bytes[i] = 0x22; // an entry of no bytes
    EXPECT_EQ(MESH_EINVAL, decode((mesh_bytes){bytes, len}));
    EXPECT_TRUE(memory_at_most() - before < 512 << 10); // and not gigabytes
    free(bytes);
}

TEST(a_list_that_is_too_long_is_not_even_read) {
    uint8_t byte = 0;
    EXPECT_EQ(MESH_ETOOBIG, decode((mesh_bytes){&byte, DEPLOY_MANIFEST_LEN_MAX + 1}));
}

// ---- chunks

static uint8_t sealed[DEPLOY_SEALED_MAX], plain[DEPLOY_CHUNK_LEN], opened[DEPLOY_CHUNK_LEN];

TEST(a_chunk_comes_back_as_it_was) {
    static const size_t lens[] = {0, 1, 1000, DEPLOY_CHUNK_LEN};
    uint32_t state = 7;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        mesh_bytes bytes = {plain, lens[i]};
        deploy_hash hash = deploy_hash_of(bytes);
        size_t len = deploy_chunk_seal(bytes, sealed), opened_len = 0;
        EXPECT_OK(deploy_chunk_open((mesh_bytes){sealed, len}, &hash, opened, &opened_len));
        EXPECT_EQ(lens[i], opened_len);
        assert_memory_equal(plain, opened, opened_len);
    }
}

TEST(a_chunk_that_is_not_what_it_is_called_is_refused) {
    mesh_bytes bytes = mesh_bytes_text("what it says");
    deploy_hash hash = deploy_hash_of(bytes), other = deploy_hash_of(mesh_bytes_text("else"));
    size_t len = deploy_chunk_seal(bytes, sealed), opened_len = 77;
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){sealed, len}, &other, opened, &opened_len));
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){sealed, len - 1}, &hash, opened, &opened_len));
    sealed[len] = 0;
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){sealed, len + 1}, &hash, opened, &opened_len));
    EXPECT_EQ(MESH_EINVAL, deploy_chunk_open((mesh_bytes){sealed, 0}, &hash, opened, &opened_len));
    EXPECT_EQ(77, opened_len);
}

TEST(a_chunk_with_something_behind_it_is_refused) {
    static const uint8_t nothing[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}; // zstd skips it
    mesh_bytes bytes = mesh_bytes_text("text");
    deploy_hash hash = deploy_hash_of(bytes);
    size_t len = deploy_chunk_seal(bytes, sealed), opened_len = 0;
    memcpy(sealed + len, nothing, sizeof nothing);
    mesh_bytes both = {sealed, len + sizeof nothing};
    EXPECT_EQ(MESH_EINVAL, deploy_chunk_open(both, &hash, opened, &opened_len));
}

TEST(a_chunk_that_grows_past_a_mebibyte_is_refused) {
    size_t len = DEPLOY_CHUNK_LEN + 1;
    uint8_t *zeros = mem_alloc(len);
    deploy_hash hash = deploy_hash_of((mesh_bytes){zeros, len});
    size_t opened_len = 0, sealed_len = ZSTD_compress(sealed, sizeof sealed, zeros, len, 3);
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){sealed, sealed_len}, &hash, opened, &opened_len));
    free(zeros);
}

// The frame says 1 byte, and its block, of one letter again and again, is 100 KiB.
TEST(a_chunk_that_grows_past_what_it_says_is_refused) {
    static const uint8_t bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x03, 0x40, 0x0c, 'x'};
    deploy_hash hash = deploy_hash_of(mesh_bytes_text("x"));
    size_t opened_len = 0;
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){bomb, sizeof bomb}, &hash, opened, &opened_len));
}

TEST(a_chunk_that_does_not_say_how_long_it_is_is_refused) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    mesh_bytes bytes = mesh_bytes_text("text");
    deploy_hash hash = deploy_hash_of(bytes);
    size_t opened_len = 0;
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    size_t len = ZSTD_compress2(context, sealed, sizeof sealed, bytes.data, bytes.len);
    EXPECT_FALSE(ZSTD_isError(len));
    EXPECT_EQ(MESH_EINVAL,
              deploy_chunk_open((mesh_bytes){sealed, len}, &hash, opened, &opened_len));
    ZSTD_freeCCtx(context);
}
