// What `drain` and `undrain` share.
#pragma once

#include "cli/client.h"

int cli_drain_ask(cli_session *session, const char *host, bool is_undo); // an exit code
