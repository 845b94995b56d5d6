// How the last life of an instance ended, as people read it: a sentence, and what it wrote last.
#pragma once

#include <stdio.h>

#include "agent.pb-c.h"

void cli_report_print(FILE *to, const Warren__Agent__NodeInfo *info); // nothing when none has ended
void cli_report_print_lines(FILE *to, ProtobufCBinaryData lines);     // indented
