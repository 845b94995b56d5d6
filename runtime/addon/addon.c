// The binding as an addon of a stock Node.js.
#include "binding.h"

NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void); // the header has only its body

NAPI_MODULE_INIT() {
    return binding_init(env, exports);
}
