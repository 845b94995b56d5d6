// Every error this project can return. 0 is success; ours start at -10001, below libuv's codes
// (-1 to -4095), so a libuv code travels up unchanged in the same int.
#pragma once

#define MESH_ERRORS(X)                                                                             \
    X(MESH_EAGAIN, -10001, "more bytes are needed")                                                \
    X(MESH_ETOOBIG, -10002, "the peer announced more than the limit")                              \
    X(MESH_EPROTO, -10003, "the peer broke the protocol")                                          \
    X(MESH_EFLOW, -10004, "the peer sent more than its credit")                                    \
    X(MESH_EWRONGPEER, -10005, "the peer is not who the agent said")                               \
    X(MESH_EVERSION, -10006,                                                                       \
      "the peer speaks no common version of the protocol: run the same release of Warren on both") \
    X(MESH_EQUOTA, -10007, "a quota is used up")                                                   \
    X(MESH_ENOTFOUND, -10008, "there is no such thing")                                            \
    X(MESH_EEXIST, -10009, "it is there already")                                                  \
    X(MESH_EINVAL, -10010, "the value is not allowed here")                                        \
    X(MESH_ECLOSED, -10011, "it is closed")                                                        \
    X(MESH_EGONE, -10012, "the agent is gone")                                                     \
    X(MESH_ESEAL, -10013, "what came was not sealed by the other end, or was changed on its way")  \
    X(MESH_ECERT, -10014, "its certificate is not one of this cluster")                            \
    X(MESH_ECERTTIME, -10015,                                                                      \
      "its certificate is not valid now: it has expired, or a clock is wrong")                     \
    X(MESH_EREFUSED, -10016, "the other end has refused it")

enum mesh_error {
#define X(name, code, text) name = code,
    MESH_ERRORS(X)
#undef X
};

// The sentence for `err`, ours or "unknown error" for others. Static storage; never NULL.
const char *mesh_error_text(int err);
