#include "cli/json.h"

#include "agent/private_memory.h"
#include "cli/clean.h"

#include <float.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/mem.h"

enum { HOST_ID_LEN = 16, REAL_TEXT_MAX = 32 };

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

json_t *cli_json_lines(ProtobufCBinaryData lines) {
    json_t *array = json_array();
    const char *text = (const char *)lines.data;
    for (size_t at = 0; at < lines.len;) {
        const char *newline = memchr(text + at, '\n', lines.len - at);
        size_t len = (newline != NULL ? (size_t)(newline - text) : lines.len) - at;
        json_array_append_new(array, cli_json_text_of(text + at, len));
        at += len + 1;
    }
    return array;
}

static json_t *json_exit(const Warren__Agent__ExitReport *exit) {
    if (exit == NULL) return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "code", json_integer(exit->code));
    json_object_set_new(object, "signal", json_integer(exit->signal));
    json_object_set_new(object, "oom", json_boolean(exit->is_oom));
    json_object_set_new(object, "uptimeMs", json_integer((json_int_t)exit->uptime_ms));
    json_object_set_new(object, "at", cli_json_time(exit->at_ms));
    json_object_set_new(object, "reason", text_or_empty(exit->reason));
    json_object_set_new(object, "stderr", cli_json_lines(exit->last_stderr));
    return object;
}

json_t *cli_json_limits(const Warren__Agent__Limits *limits) {
    if (limits == NULL) return json_null();
    json_t *object = json_object();
    if (limits->memory_max > 0) {
        json_object_set_new(object, "memoryBytes", json_integer((json_int_t)limits->memory_max));
        json_object_set_new(object, "memoryBy",
                            json_string(limits->is_memory_grouped ? "cgroup" : "process"));
    }
    if (limits->cpu_max_percent > 0) {
        json_object_set_new(object, "cpu", json_real(limits->cpu_max_percent / 100.0));
        json_object_set_new(object, "cpuBy",
                            json_string(limits->is_cpu_grouped ? "cgroup" : "process"));
    }
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
    json_object_set_new(object, "stalledMs", json_integer((json_int_t)info->stalled_ms));
    json_object_set_new(object, "stalls", json_integer(info->stalls));
    json_object_set_new(object, "memoryBytes",
                        json_integer((json_int_t)agent_memory_private((pid_t)info->pid)));
    json_object_set_new(object, "limits", cli_json_limits(info->limits));
    json_object_set_new(object, "joined", json_boolean(info->joined));
    json_object_set_new(object, "ready", json_boolean(info->is_ready));
    json_object_set_new(object, "group", text_or_empty(info->group));
    json_object_set_new(object, "lastExit", json_exit(info->last_exit));
    json_object_set_new(object, "cold", json_boolean(info->is_cold));
    json_object_set_new(object, "reason", text_or_empty(info->reason));
    json_object_set_new(object, "logLinesLost", json_integer((json_int_t)info->log_lost_lines));
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

json_t *cli_json_text_of(const char *bytes, size_t len) {
    json_t *text = json_stringn(bytes, len);
    if (text != NULL) return text;
    char *fixed = mem_alloc(3 * len + 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)bytes[i] < 0x80) {
            fixed[at++] = bytes[i];
        } else {
            for (const char *replacement = "\xef\xbf\xbd"; *replacement; replacement++)
                fixed[at++] = *replacement;
        }
    }
    text = json_stringn(fixed, at);
    free(fixed);
    return text;
}

json_t *cli_json_string(const char *text) {
    return cli_json_text_of(text, strlen(text));
}

// Digits with which `number` is read again as what it is: 15 for 0.1, 17 for 0.1 + 0.2.
static int digits_of_real(double number) {
    char text[REAL_TEXT_MAX];
    for (int digits = DBL_DIG; digits < DBL_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) return digits;
    }
    return DBL_DECIMAL_DIG;
}

// Digits that are enough for every number in `value`: jansson prints all with the same count.
static int digits_of(const json_t *value) {
    int digits = DBL_DIG, inner_digits;
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_real(value)) return digits_of_real(json_real_value(value));
    json_array_foreach(value, i, inner) {
        inner_digits = digits_of(inner);
        if (inner_digits > digits) digits = inner_digits;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner) {
        inner_digits = digits_of(inner);
        if (inner_digits > digits) digits = inner_digits;
    }
    return digits;
}

char *cli_json_text(const json_t *value, size_t indent) {
    size_t flags = (indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT) |
                   JSON_REAL_PRECISION((size_t)digits_of(value));
    char *text = mem_check(json_dumps(value, flags | JSON_ENCODE_ANY)),
         *clean = cli_clean_json(text);
    free(text);
    return clean;
}

char *cli_json_line(json_t *object) {
    char *text = cli_json_text(object, 0);
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
