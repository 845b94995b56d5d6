#include "cli/json.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "core/mem.h"

enum { HOST_ID_LEN = 16 };

static json_t *text_or_empty(const char *text) {
    json_t *value = json_string(text);
    return value != NULL ? value : json_string(""); // not UTF-8: we have no better word for it
}

json_t *cli_json_time(uint64_t at_ms) {
    char text[40];
    struct tm parts;
    time_t seconds = (time_t)(at_ms / 1000);
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + len, sizeof text - len, ".%03uZ", (unsigned)(at_ms % 1000));
    return json_string(text);
}

static void set_data(json_t *object, const ProtobufCBinaryData *data) {
    json_t *text = json_stringn((const char *)data->data, data->len);
    if (text != NULL) {
        json_object_set_new(object, "data", text);
        return;
    }
    size_t len = sodium_base64_encoded_len(data->len, sodium_base64_VARIANT_ORIGINAL);
    char *base64 = mem_alloc(len);
    sodium_bin2base64(base64, len, data->data, data->len, sodium_base64_VARIANT_ORIGINAL);
    json_object_set_new(object, "dataBase64", json_string(base64));
    free(base64);
}

json_t *cli_json_output(const Warren__Agent__Output *output) {
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string("output"));
    json_object_set_new(object, "node", text_or_empty(output->node));
    json_object_set_new(object, "stream", json_string(output->is_stderr ? "stderr" : "stdout"));
    json_object_set_new(object, "at", cli_json_time(output->at_ms));
    set_data(object, &output->data);
    return object;
}

json_t *cli_json_event(const Warren__Agent__NodeEvent *event) {
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string("event"));
    json_object_set_new(object, "node", text_or_empty(event->node));
    json_object_set_new(object, "state", text_or_empty(event->state));
    json_object_set_new(object, "text", text_or_empty(event->text));
    json_object_set_new(object, "code", json_integer(event->code));
    json_object_set_new(object, "signal", json_integer(event->signal));
    return object;
}

json_t *cli_json_node(const Warren__Agent__NodeInfo *info) {
    json_t *object = json_object();
    char id[20];
    (void)snprintf(id, sizeof id, "%016" PRIx64, info->node_id);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "name", text_or_empty(info->name));
    json_object_set_new(object, "service", text_or_empty(info->service));
    json_object_set_new(object, "instance", json_integer(info->instance));
    json_object_set_new(object, "state", text_or_empty(info->state));
    json_object_set_new(object, "pid", json_integer(info->pid));
    json_object_set_new(object, "uptimeMs", json_integer((json_int_t)info->uptime_ms));
    json_object_set_new(object, "restarts", json_integer(info->restarts));
    json_object_set_new(object, "memoryBytes", json_integer((json_int_t)info->memory_bytes));
    json_object_set_new(object, "joined", json_boolean(info->joined));
    json_object_set_new(object, "cold", json_boolean(info->is_cold));
    json_object_set_new(object, "reason", text_or_empty(info->reason));
    json_object_set_new(object, "entry", text_or_empty(info->entry));
    return object;
}

json_t *cli_json_host(const Warren__Agent__HostInfo *info) {
    json_t *object = json_object();
    char id[2 * HOST_ID_LEN + 1] = "";
    for (size_t i = 0; i < info->host_id.len && i < HOST_ID_LEN; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", info->host_id.data[i]);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "name", text_or_empty(info->name));
    json_object_set_new(object, "state", text_or_empty(info->state));
    json_object_set_new(object, "sinceMs", json_integer((json_int_t)info->since_ms));
    json_object_set_new(object, "address", text_or_empty(info->address));
    json_object_set_new(object, "nodes", json_integer(info->nodes));
    json_object_set_new(object, "self", json_boolean(info->is_self));
    json_object_set_new(object, "linked", json_boolean(info->is_linked));
    json_object_set_new(object, "unheard", json_boolean(info->is_unheard));
    json_object_set_new(object, "foreign", json_boolean(info->is_foreign));
    return object;
}

char *cli_json_line(json_t *object) {
    char *text = mem_check(json_dumps(object, JSON_COMPACT));
    size_t len = strlen(text);
    json_decref(object);
    text = mem_resize(text, len + 2);
    memcpy(text + len, "\n", 2);
    return text;
}

void cli_json_print(json_t *object) {
    char *line = cli_json_line(object);
    (void)fputs(line, stdout);
    free(line);
}
