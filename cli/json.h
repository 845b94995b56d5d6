// What --json prints (docs/cli.md): one object per line, and the list of `ps`.
#pragma once

#include <jansson.h>

#include "agent.pb-c.h"

// {"type":"output","node","stream","at","data"}; bytes that are not UTF-8 go as "dataBase64"
// instead of "data".
json_t *cli_json_output(const Warren__Agent__Output *output);
json_t *cli_json_event(const Warren__Agent__NodeEvent *event);
json_t *cli_json_limits(const Warren__Agent__Limits *limits); // NULL: null
json_t *cli_json_node(const Warren__Agent__NodeInfo *info);
json_t *cli_json_host(const Warren__Agent__HostInfo *info);

json_t *cli_json_lines(ProtobufCBinaryData lines); // as strings
json_t *cli_json_time(uint64_t at_ms);             // Unix time, as "2026-11-23T10:51:49.764Z"

// What others wrote as a JSON string; bytes that are no UTF-8 become U+FFFD.
json_t *cli_json_string(const char *text);
json_t *cli_json_text_of(const char *bytes, size_t len);
// As text for a terminal or a file: no byte of it moves a cursor. `indent` 0: one line. Free it.
char *cli_json_text(const json_t *value, size_t indent);
// One line on stdout; takes the object.
void cli_json_print(json_t *object);
// The same as text that ends with a newline. Gives (free it); takes the object.
char *cli_json_line(json_t *object);
