// The agent's own log: one line per event on stderr (the terminal of `warren agent`, or
// STATE/agent.log), with the time in front.
#pragma once

__attribute__((format(printf, 1, 2))) void agent_say(const char *format, ...);
