#include "cli/prefix.h"

#include "test.h"

static char seen[1024];

static void on_bytes(mesh_bytes bytes, void *user) {
    (void)user;
    strncat(seen, (const char *)bytes.data, bytes.len);
}

static void push(cli_prefix *prefix, const char *node, const char *text) {
    cli_prefix_push(prefix, node, mesh_bytes_text(text), on_bytes, NULL);
}

TEST(each_line_gets_its_nodes_name) {
    cli_prefix p = {.width = 6};
    seen[0] = '\0';
    push(&p, "app.0", "one\ntwo\n");
    push(&p, "app.10", "three\n");
    EXPECT_TEXT("app.0  | one\napp.0  | two\napp.10 | three\n", seen);
}

TEST(a_line_in_pieces_gets_one_prefix) {
    cli_prefix p = {0};
    seen[0] = '\0';
    push(&p, "a.0", "name? ");
    push(&p, "a.0", "yes");
    push(&p, "a.0", "\nnext\n");
    EXPECT_TEXT("a.0 | name? yes\na.0 | next\n", seen);
}

TEST(a_line_that_another_node_interrupts_goes_on_in_a_line_of_its_own) {
    cli_prefix p = {0};
    seen[0] = '\0';
    push(&p, "a.0", "half");
    push(&p, "a.1", "whole\n");
    push(&p, "a.0", " rest\n");
    EXPECT_TEXT("a.0 | half\na.1 | whole\na.0 |  rest\n", seen);
}

TEST(each_instance_has_its_colour) {
    cli_prefix p = {.is_colored = true};
    seen[0] = '\0';
    push(&p, "a.0", "x\n");
    push(&p, "a.1", "y\n");
    EXPECT_TEXT("\033[36ma.0 |\033[0m x\n\033[33ma.1 |\033[0m y\n", seen);
}

TEST(without_prefixes_bytes_pass_as_they_are) {
    cli_prefix p = {.is_off = true};
    seen[0] = '\0';
    push(&p, "a.0", "half");
    push(&p, "a.1", "x\n");
    EXPECT_TEXT("halfx\n", seen);
}
