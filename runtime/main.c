// warren-node: runs one program as `node` does, or is the zygote of an agent (zygote.h).
#include <stdio.h>
#include <string.h>

#include "cold.h"
#include "engine.h"
#include "zygote.h"

#ifdef __SANITIZE_ADDRESS__
// Node leaves its memory to the system when a program calls process.exit().
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}
#endif

int main(int argc, char **argv) {
    runtime_zygote_options zygote;
    if (argc >= 2 && runtime_zygote_option(argv[1], &zygote))
        return runtime_zygote_main(zygote, argc, argv);
    return runtime_cold_main(argc, argv);
}
