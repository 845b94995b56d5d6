#include "core/control.h"

#include <stdbool.h>

#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "link.pb-c.h"

int mesh_ready_parse(mesh_bytes body, mesh_ready *out) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Link__Ready *ready =
        warren__link__ready__unpack(&budget.allocator, body.len, body.data);
    if (!ready) return MESH_EPROTO;
    *out = (mesh_ready){
        .minor_min = ready->minor_min,
        .minor_max = ready->minor_max,
        .max_frame = ready->max_frame,
        .max_message = ready->max_message,
        .features = ready->features,
        .node_id = ready->node_id,
        .request_credit = ready->request_credit,
        .publish_credit = ready->publish_credit,
        .has_session = ready->session.len == MESH_SESSION_LEN,
        .received = ready->received,
    };
    bool is_session_fit = ready->session.len == 0 || out->has_session;
    if (out->has_session) memcpy(out->session, ready->session.data, MESH_SESSION_LEN);
    warren__link__ready__free_unpacked(ready, &budget.allocator);

    if (!is_session_fit) return MESH_EPROTO;
    mesh_minors minors = mesh_minors_spoken();
    if (out->minor_min > minors.max || out->minor_max < minors.min) return MESH_EVERSION;
    if (out->minor_min > out->minor_max) return MESH_EPROTO;
    if (out->max_frame < MESH_FRAME_LEN_MIN || out->max_frame > MESH_FRAME_LEN_MAX)
        return MESH_EPROTO;
    if (out->max_message < MESH_MESSAGE_LEN_MIN || out->max_message > MESH_MESSAGE_LEN_MAX)
        return MESH_EPROTO;
    return 0;
}

int mesh_goaway_parse(mesh_bytes body, uint32_t *out_code) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Link__GoAway *goaway =
        warren__link__go_away__unpack(&budget.allocator, body.len, body.data);
    if (!goaway) return MESH_EPROTO;
    uint32_t code = goaway->code;
    bool is_short = strlen(goaway->text) <= MESH_GOAWAY_TEXT_MAX;
    warren__link__go_away__free_unpacked(goaway, &budget.allocator);
    if (!is_short) return MESH_EPROTO;
    *out_code = code;
    return 0;
}

size_t mesh_ready_write(uint8_t *out, const mesh_ready *ready) {
    Warren__Link__Ready body = WARREN__LINK__READY__INIT;
    body.minor_min = ready->minor_min;
    body.minor_max = ready->minor_max;
    body.features = ready->features;
    body.node_id = ready->node_id;
    body.max_frame = ready->max_frame;
    body.max_message = ready->max_message;
    body.request_credit = ready->request_credit;
    body.publish_credit = ready->publish_credit;
    if (ready->has_session) {
        body.session =
            (ProtobufCBinaryData){MESH_SESSION_LEN, (uint8_t *)(uintptr_t)ready->session};
        body.received = ready->received;
    }
    CHECK(warren__link__ready__get_packed_size(&body) <= MESH_CONTROL_WRITE_MAX);
    return warren__link__ready__pack(&body, out);
}

size_t mesh_goaway_write(uint8_t *out, mesh_goaway_code code, const char *text) {
    Warren__Link__GoAway body = WARREN__LINK__GO_AWAY__INIT;
    char short_text[MESH_GOAWAY_TEXT_MAX + 1];
    (void)snprintf(short_text, sizeof short_text, "%s", text);
    body.code = code;
    body.text = short_text;
    CHECK(warren__link__go_away__get_packed_size(&body) <= MESH_CONTROL_WRITE_MAX);
    return warren__link__go_away__pack(&body, out);
}

mesh_goaway_code mesh_goaway_code_of(int err) {
    switch (err) {
    case 0: return MESH_GOAWAY_NORMAL;
    case MESH_ETOOBIG: return MESH_GOAWAY_TOO_LARGE;
    case MESH_EFLOW: return MESH_GOAWAY_FLOW;
    case MESH_EWRONGPEER: return MESH_GOAWAY_WRONG_PEER;
    case MESH_EVERSION: return MESH_GOAWAY_VERSION;
    case MESH_EQUOTA: return MESH_GOAWAY_QUOTA;
    default: return MESH_GOAWAY_PROTOCOL;
    }
}
