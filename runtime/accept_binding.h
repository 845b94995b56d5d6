// Node-API face of accept.h, for js/share.js: process._linkedBinding('warren_accept').
//   share(fd, memoryFd)  -> {memory: ArrayBuffer, index} or undefined, where there is none
//   shut(fd), leave(fd)
#pragma once

#include <node_api.h>

napi_value accept_binding_init(napi_env env, napi_value exports);
