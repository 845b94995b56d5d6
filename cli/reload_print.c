#include "cli/reload_print.h"

#include <stdio.h>

#include "cli/json.h"
#include "cli/report.h"

static void print_step(const Warren__Agent__Reloading *step, bool is_json) {
    if (is_json)
        cli_json_print(json_pack("{s:s, s:o, s:s, s:o, s:I, s:I}", "type", "reloading", "node",
                                 cli_json_string(step->node), "step", step->step, "text",
                                 step->text[0] != '\0' ? cli_json_string(step->text) : json_null(),
                                 "pid", (json_int_t)step->pid, "afterMs",
                                 (json_int_t)step->after_ms));
    else if (step->text[0] != '\0')
        (void)printf("%s\n", step->text);
    (void)fflush(stdout);
}

static void print_end(const Warren__Agent__Reloaded *end, bool is_json) {
    if (is_json)
        cli_json_print(
            json_pack("{s:s, s:o, s:b, s:I, s:I, s:o, s:o, s:I}", "type", "reloaded", "service",
                      cli_json_string(end->service), "ok", !end->is_failed, "instances",
                      (json_int_t)end->wanted, "replaced", (json_int_t)end->replaced, "reason",
                      end->is_failed ? cli_json_string(end->why) : json_null(), "stderr",
                      cli_json_lines(end->last_stderr), "afterMs", (json_int_t)end->after_ms));
    else if (!end->is_failed)
        (void)printf("reloaded %s: %u %s in %.1f s\n", end->service, end->replaced,
                     end->replaced == 1 ? "instance" : "instances", (double)end->after_ms / 1000);
    else
        cli_report_print_lines(stderr, end->last_stderr); // the sentence follows
    (void)fflush(stdout);
}

void cli_reload_print(const Warren__Agent__Reply *reply, bool is_json) {
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_RELOADING)
        print_step(reply->reloading, is_json);
    else if (reply->kind_case == WARREN__AGENT__REPLY__KIND_RELOADED)
        print_end(reply->reloaded, is_json);
}
