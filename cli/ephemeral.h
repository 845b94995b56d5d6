// An agent for one run: a child of the command line, in a session of its own, that ends when the
// last service and the last client are gone.
#pragma once

// Makes sure that an agent listens in the state directory: one that is there, or a new one. 0, or
// an exit code after a sentence was printed.
int cli_ephemeral_ensure(void);

// That child: `warren agent --for-a-run`. Not for people, so not in the help.
#define CLI_EPHEMERAL_WORD "--for-a-run"
int cli_ephemeral_main(const char *dir);
