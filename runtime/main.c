// warren-node: runs one program as `node` does, or is the zygote of an agent (--warren-zygote=FD).
#include <stdio.h>
#include <string.h>

#include "cold.h"
#include "engine.h"
#include "zygote.h"

int main(int argc, char **argv) {
    int zygote_fd;
    if (argc >= 2 && runtime_zygote_option(argv[1], &zygote_fd))
        return runtime_zygote_main(zygote_fd, argc, argv);
    return runtime_cold_main(argc, argv);
}
