// The steps of a reload, and how it ended, as people and machines read them.
#pragma once

#include <stdbool.h>

#include "agent.pb-c.h"

void cli_reload_print(const Warren__Agent__Reply *reply, bool is_json); // others are left alone
