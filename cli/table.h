// Columns for people: as wide as their longest cell; on a terminal the last one is cut to what
// fits.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CLI_TABLE_COLUMNS_MAX = 16 };

typedef struct cli_table {
    size_t column_count, cell_count, cell_cap;
    bool is_right[CLI_TABLE_COLUMNS_MAX]; // numbers
    char **cells;                         // row by row; the first row is the heading
} cli_table;

void cli_table_add(cli_table *table, const char *cell); // copies
// width 0: as wide as it gets.
void cli_table_print(const cli_table *table, size_t width);
void cli_table_deinit(cli_table *table);

size_t cli_table_terminal_width(void); // of stdout; 0: not a terminal
