#include "cli/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"

// Output that was closed can be opened for reading only: what is written to it is told as lost.
void cli_streams_open(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int flags = fd == STDERR_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags) != fd) _exit(CLI_FAILED);
    }
}

static int write_err; // of the first flush that failed: the next one has nothing left to write

bool cli_streams_flush(void) {
    if (fflush(stdout) != 0 && write_err == 0) write_err = errno;
    return ferror(stdout) == 0;
}

int cli_streams_close(int exit_code) {
    bool is_written = cli_streams_flush();
    if (close(STDOUT_FILENO) != 0 &&
        is_written) { // some file systems tell of a full disk only then
        is_written = false;
        write_err = errno;
    }
    if (is_written || exit_code != CLI_DONE) return exit_code;
    // Who read it went away; of a socket, perhaps without having read all.
    if (write_err == EPIPE || write_err == ECONNRESET) return 128 + SIGPIPE;
    cli_say("cannot write the output: %s",
            write_err != 0 ? strerror(write_err) : "some of it is lost");
    return CLI_FAILED;
}
