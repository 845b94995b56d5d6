#include "core/error.h"
#include "core/mem.h"
#include "core/payload.h"
#include "test.h"

static mesh_shapes shapes;
static mesh_payload_buffer buffer;

#define BYTES(TEXT) ((mesh_bytes){(const uint8_t *)(TEXT), sizeof(TEXT) - 1})

// 0 is {a, bc}, 1 is {x}
static void know_shapes(void) {
    mesh_shapes_deinit(&shapes);
    EXPECT_OK(mesh_shapes_add(&shapes, BYTES("\x00\x00\x02\x01"
                                             "a\x02"
                                             "bc")));
    EXPECT_OK(mesh_shapes_add(&shapes, BYTES("\x00\x01\x01\x01"
                                             "x")));
}

static int plain(mesh_bytes payload, mesh_bytes *out) {
    size_t len = 0;
    know_shapes();
    int err = mesh_payload_plain(payload, &shapes, &buffer, out, &len);
    if (err == 0) EXPECT_EQ(payload.len, len);
    return err;
}

#define EXPECT_PLAIN(WANT, PAYLOAD)                                                                \
    do {                                                                                           \
        mesh_bytes out_ = {0};                                                                     \
        EXPECT_OK(plain(BYTES(PAYLOAD), &out_));                                                   \
        EXPECT_EQ(sizeof(WANT) - 1, out_.len);                                                     \
        EXPECT_TRUE(memcmp(WANT, out_.data, out_.len) == 0);                                       \
    } while (0)

TEST(a_value_without_shapes_is_given_as_it_is_and_where_it_is) {
    mesh_bytes payload = BYTES("\x83\xa1"
                               "a\x91\xc0\xa1"
                               "b\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa1"
                               "c\xd9\x01"
                               "x"),
               out = {0};
    EXPECT_OK(plain(payload, &out));
    EXPECT_TRUE(out.data == payload.data && out.len == payload.len);
    EXPECT_OK(mesh_payload_check(payload));
}

TEST(an_object_with_a_shape_becomes_a_map_of_its_keys_and_values) {
    EXPECT_PLAIN("\x82\xa1"
                 "a\x01\xa2"
                 "bc\x02",
                 "\x93\xd5\x01\x00\x00\x01\x02");
    // In a list, and in each other.
    EXPECT_PLAIN("\x92\x81\xa1"
                 "x\x82\xa1"
                 "a\xc0\xa2"
                 "bc\x81\xa1"
                 "x\x05\x07",
                 "\x92\x92\xd5\x01\x00\x01\x93\xd5\x01\x00\x00\xc0\x92\xd5\x01\x00\x01\x05\x07");
}

TEST(extensions_that_hold_values_are_looked_into_and_get_their_new_length) {
    // A Set of {x: 1}
    EXPECT_PLAIN("\xc9\x00\x00\x00\x05\x04\x91\x81\xa1"
                 "x\x01",
                 "\xc7\x07\x04\x91\x92\xd5\x01\x00\x01\x01");
    // Next to it, what is behind it is found.
    EXPECT_PLAIN("\x92\xc9\x00\x00\x00\x05\x04\x91\x81\xa1"
                 "x\x01\x09",
                 "\x92\xc7\x07\x04\x91\x92\xd5\x01\x00\x01\x01\x09");
    // In an extension without values the same bytes mean nothing.
    EXPECT_PLAIN("\xc7\x05\x07\x92\xd5\x01\x00\x01", "\xc7\x05\x07\x92\xd5\x01\x00\x01");
}

TEST(what_is_no_whole_value_is_refused) {
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"", 0},
        {"\xc1", 1},                         // begins nothing
        {"\xd9\x02x", 3},                    // a text that is cut off
        {"\xdb\xff\xff\xff\xff", 5},         // one of 4 GiB
        {"\x92\x01", 2},                     // a list that is cut off
        {"\xdd\xff\xff\xff\xff", 5},         // one of 4 G values
        {"\xdf\xff\xff\xff\xff", 5},         // and a map
        {"\xc7\xff\x07", 3},                 // an extension that is cut off
        {"\xd5\x01\x00\x00", 4},             // a shape that is not in a list
        {"\x92\x01\xd5\x01\x00\x00", 6},     // or not its first
        {"\x93\xd5\x01\x00\x09\x01\x02", 7}, // that nobody knows
        {"\x92\xd5\x01\x00\x00\x01", 6},     // with too few values
        {"\xc7\x02\x04\x91\x01\x02", 6}, // a value is left over behind the extension's: read below
        {"\xc7\x03\x04\x91\x01\x02", 6}, // inside it
        {"\xc7\x01\x04\x91\x01", 5},     // its value does not end in it
        {"\xc7\x00\x04", 3},             // there is none
    };
    mesh_bytes out;
    size_t len;
    know_shapes();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        // On memory of its own, so that a look behind it would be found.
        uint8_t *copy = mem_copy(bad[i].bytes, bad[i].len);
        mesh_bytes payload = {copy, bad[i].len};
        int err = mesh_payload_plain(payload, &shapes, &buffer, &out, &len);
        EXPECT_TRUE(err == MESH_EPROTO || (err == 0 && len < payload.len));
        EXPECT_TRUE(mesh_payload_check(payload) == MESH_EPROTO);
        free(copy);
    }
}

TEST(a_value_may_be_64_deep_and_what_an_error_consists_of_is_one_level) {
    uint8_t deep[MESH_PAYLOAD_DEPTH_MAX + 2];
    memset(deep, 0x91, sizeof deep);
    deep[MESH_PAYLOAD_DEPTH_MAX] = 0xc0;
    EXPECT_OK(mesh_payload_check((mesh_bytes){deep, MESH_PAYLOAD_DEPTH_MAX + 1}));
    deep[MESH_PAYLOAD_DEPTH_MAX] = 0x91;
    deep[MESH_PAYLOAD_DEPTH_MAX + 1] = 0xc0;
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check((mesh_bytes){deep, sizeof deep}));

    static const uint8_t error[] = {0xc7, 7, 10, 0x94, 0xa0, 0xa0, 0xa0, 0x81, 0xa0, 0xc0};
    uint8_t with_error[MESH_PAYLOAD_DEPTH_MAX + sizeof error];
    memset(with_error, 0x91, sizeof with_error);
    memcpy(with_error + MESH_PAYLOAD_DEPTH_MAX - 1, error, sizeof error);
    EXPECT_OK(
        mesh_payload_check((mesh_bytes){with_error, MESH_PAYLOAD_DEPTH_MAX - 1 + sizeof error}));
    with_error[MESH_PAYLOAD_DEPTH_MAX - 1] = 0x91;
    memcpy(with_error + MESH_PAYLOAD_DEPTH_MAX, error, sizeof error);
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check((mesh_bytes){with_error, sizeof with_error}));
}

TEST(a_small_payload_does_not_become_more_than_the_limit) {
    enum { KEY_LEN = 250, COUNT = 80000 };
    uint8_t body[4 + KEY_LEN] = {0, 0, 1, KEY_LEN};
    memset(body + 4, 'k', KEY_LEN);
    mesh_shapes long_key = {0};
    EXPECT_OK(mesh_shapes_add(&long_key, (mesh_bytes){body, sizeof body}));
    static const uint8_t object[] = {0x92, 0xd5, 1, 0, 0, 0xc0};
    size_t payload_len = 5 + (size_t)COUNT * sizeof object;
    uint8_t *payload = mem_alloc(payload_len);
    const uint8_t head[] = {0xdd, 0, COUNT >> 16, COUNT >> 8 & 0xff, COUNT & 0xff};
    memcpy(payload, head, sizeof head);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(payload + 5 + i * sizeof object, object, sizeof object);
    mesh_bytes out;
    size_t len;
    EXPECT_EQ(MESH_ETOOBIG, mesh_payload_plain((mesh_bytes){payload, payload_len}, &long_key,
                                               &buffer, &out, &len));
    EXPECT_TRUE(buffer.cap / 2 <= MESH_PAYLOAD_PLAIN_MAX);
    free(payload);
    mesh_shapes_deinit(&long_key);
    mesh_payload_buffer_deinit(&buffer);
}

TEST(headers_are_a_map_of_texts_and_nothing_else) {
    EXPECT_OK(mesh_payload_check_headers(BYTES("\x80")));
    EXPECT_OK(mesh_payload_check_headers(BYTES("\x81\xa1"
                                               "a\xd9\x01"
                                               "b")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("\x90")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("\x81\xa1"
                                                            "a\x01")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("\x81\x01\xa1"
                                                            "a")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("\x80\x80")));
    EXPECT_EQ(MESH_EPROTO, mesh_payload_check_headers(BYTES("\xdf\xff\xff\xff\xff\xa0")));
}

TEST(the_first_of_two_values_is_read_and_its_length_said) {
    mesh_bytes out;
    size_t len = 0;
    know_shapes();
    EXPECT_OK(
        mesh_payload_plain(BYTES("\x92\xd5\x01\x00\x01\x05\x09"), &shapes, &buffer, &out, &len));
    EXPECT_EQ(6, len);
    EXPECT_BYTES("\x81\xa1"
                 "x\x05",
                 out);
    mesh_payload_buffer_deinit(&buffer);
    mesh_shapes_deinit(&shapes);
}
