// What others wrote, so that no byte of it moves the cursor of a terminal: controls, DEL, and the
// C1 controls (U+0080 to U+009F), which some terminals obey.
#pragma once

char *cli_clean_text(char *text); // in place: what would is shown as ?
// A JSON text, where such characters are only inside strings: as escapes. Free it.
char *cli_clean_json(const char *json);
