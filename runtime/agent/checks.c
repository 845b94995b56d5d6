#include "agent/checks.h"

#include <stdio.h>
#include <string.h>

#include "agent/reloading.h"
#include "agent/service.h"

bool agent_checks_are_wanted(const Warren__Agent__Run *run) {
    return run->health_http[0] != '\0' || run->health_call[0] != '\0';
}

// "/healthz", ":9000/healthz"
static bool is_place(const char *text) {
    if (strlen(text) > AGENT_CHECKS_HTTP_LEN_MAX) return false;
    if (text[0] == ':') {
        size_t len = strspn(text + 1, "0123456789");
        if (len == 0 || len > 5) return false;
        text += 1 + len;
    }
    if (text[0] != '/') return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) return false;
    return true;
}

static bool is_method(const char *text) {
    const char *dot = strrchr(text, '.');
    if (strlen(text) > AGENT_CHECKS_CALL_LEN_MAX || dot == NULL || dot == text || dot[1] == '\0')
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f) return false;
    return true;
}

agent_health_rules agent_checks_rules(const Warren__Agent__Run *run) {
    return (agent_health_rules){
        .is_checked = agent_checks_are_wanted(run),
        .interval_ms = run->health_interval_ms != 0 ? run->health_interval_ms
                                                    : (uint32_t)AGENT_HEALTH_INTERVAL_MS,
        .timeout_ms = run->health_timeout_ms != 0 ? run->health_timeout_ms
                                                  : (uint32_t)AGENT_HEALTH_TIMEOUT_MS,
        .failures =
            run->health_failures != 0 ? run->health_failures : (uint32_t)AGENT_HEALTH_FAILURES};
}

const char *agent_checks_judge(const Warren__Agent__Run *run) {
    agent_health_rules rules = agent_checks_rules(run);
    if (run->health_http[0] != '\0' && !is_place(run->health_http))
        return "what health is asked by HTTP is a path like /healthz, or :9000/healthz";
    if (run->health_call[0] != '\0' && !is_method(run->health_call))
        return "what health is asked by a call is a method like api.health";
    if (rules.interval_ms < AGENT_HEALTH_INTERVAL_MIN_MS ||
        rules.interval_ms > AGENT_HEALTH_MS_MAX || rules.timeout_ms < AGENT_HEALTH_TIMEOUT_MIN_MS ||
        rules.timeout_ms > AGENT_HEALTH_MS_MAX || rules.failures > AGENT_HEALTH_FAILURES_MAX)
        return "health is asked every 100 ms to 1 h, has 50 ms to 1 h to answer, and fails after "
               "at most 100 bad answers";
    return NULL;
}

// ---- asking

static const Warren__Agent__Run *run_of(const slot *sl) {
    return agent_slot_runs(sl)->run;
}

void agent_checks_begin(agent_service *service, uint32_t at) {
    slot *sl = &service->slots[at];
    sl->checking = (agent_checking){0};
    if (agent_checks_are_wanted(run_of(sl))) agent_member_set_unwell(sl->member, true);
}

void agent_checks_end(agent_service *service, uint32_t at) {
    slot *sl = &service->slots[at];
    if (sl->member != NULL) agent_member_set_unwell(sl->member, false);
}

const char *agent_checks_miss(agent_service *service, uint32_t at) {
    slot *sl = &service->slots[at];
    const Warren__Agent__Run *run = run_of(sl);
    agent_health_rules rules = agent_checks_rules(run);
    bool has_both = run->health_http[0] != '\0' && run->health_call[0] != '\0';
    if (sl->checking.is_open)
        (void)snprintf(sl->checking.why, sizeof sl->checking.why,
                       "%s%.40s%s%.40s: no answer within %u ms",
                       run->health_http[0] != '\0' ? "GET " : "", run->health_http,
                       has_both ? ", " : "", run->health_call, rules.timeout_ms);
    sl->checking.is_open = false;
    return sl->checking.why;
}

static void tell_answer(agent_service *service, uint32_t at, uint32_t number, bool is_healthy) {
    agent_services *s = service->services;
    if (agent_service_is_beside(service, at)) {
        agent_reloading_checked(service, at, number, is_healthy);
        return;
    }
    agent_supervisor_checked(s->supervisor, uv_now(s->loop), service->id, at, number, is_healthy);
    agent_services_carry_out_soon(s);
}

void agent_checks_ask(agent_service *service, uint32_t at, uint32_t number, uint32_t timeout_ms) {
    slot *sl = &service->slots[at];
    const Warren__Agent__Run *run = run_of(sl);
    agent_member_question question = {.number = number,
                                      .timeout_ms = timeout_ms,
                                      .http = run->health_http,
                                      .call = run->health_call};
    (void)agent_checks_miss(service, at);
    sl->checking.number = number;
    sl->checking.is_open = true;
    if (sl->member != NULL) agent_member_check(sl->member, &question); // else nobody answers
}

// Carried out in the loop's next turn, as all that members say.
void agent_checks_on_answer(const agent_member *member, const agent_member_checked *answer,
                            void *user) {
    agent_services *s = user;
    agent_service *service = agent_service_find_name(s, agent_member_identity(member)->service);
    uint32_t at = service != NULL ? agent_service_slot_of(service, member) : UINT32_MAX;
    if (at == UINT32_MAX) return;
    slot *sl = &service->slots[at];
    if (answer->number != sl->checking.number) return; // to a question of before
    sl->checking.is_open = false;
    (void)snprintf(sl->checking.why, sizeof sl->checking.why, "%s",
                   answer->is_healthy ? "" : answer->why);
    tell_answer(service, at, answer->number, answer->is_healthy);
}
