#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/clean.h"
#include "core/mem.h"

enum { GAP = 2 };

void cli_table_add(cli_table *table, const char *cell) {
    table->cells = mem_grow(table->cells, sizeof(char *), table->cell_count + 1, &table->cell_cap);
    char *copy = mem_copy(cell, strlen(cell) + 1);
    // Names of files may hold anything.
    table->cells[table->cell_count++] = cli_clean_text(copy);
}

// Columns that a text takes: its code points. Wide and joined characters are rare in what we print.
static size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

// The bytes of the first `width` code points.
static size_t bytes_of(const char *text, size_t width) {
    size_t i = 0;
    while (text[i] != '\0') {
        if (((unsigned char)text[i] & 0xc0) != 0x80 && width-- == 0) break;
        i++;
    }
    return i;
}

static void print_last(const char *cell, size_t room) {
    if (room == 0 || text_width(cell) <= room)
        (void)printf("%s\n", cell);
    else
        (void)printf("%.*s…\n", (int)bytes_of(cell, room - 1), cell);
}

void cli_table_print(const cli_table *table, size_t width) {
    size_t widths[CLI_TABLE_COLUMNS_MAX] = {0}, columns = table->column_count, before_last = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t cell_width = text_width(table->cells[i]);
        if (cell_width > widths[i % columns]) widths[i % columns] = cell_width;
    }
    for (size_t i = 0; i + 1 < columns; i++)
        before_last += widths[i] + GAP;
    // A terminal that is too narrow even for the others gets whole lines, and wraps them.
    size_t room = width > before_last ? width - before_last : 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % columns, pad = widths[column] - text_width(table->cells[i]);
        if (column + 1 == columns)
            print_last(table->cells[i], room);
        else if (table->is_right[column])
            (void)printf("%*s%s%*s", (int)pad, "", table->cells[i], GAP, "");
        else
            (void)printf("%s%*s", table->cells[i], (int)(pad + GAP), "");
    }
}

void cli_table_deinit(cli_table *table) {
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (cli_table){0};
}

size_t cli_table_terminal_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
