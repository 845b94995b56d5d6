// What is wrong with a configuration, and what it says, for people.
#pragma once

#include <jansson.h>
#include <stdio.h>

// A line for each: file:line:column: sentence. Of what is only a warning, it says so.
void cli_config_print_problems(FILE *to, const json_t *result);
void cli_config_print_warnings(FILE *to, const json_t *result);
void cli_config_print_planned(FILE *to,
                              const json_t *result);  // as warnings: what is not carried out
void cli_config_print_project(const json_t *project); // on stdout
// The same path from this directory, where it is in it; borrowed from `path`.
const char *cli_config_path(const char *path);
