// Copies of a store's file. While a store is open, store_backup makes one.
#pragma once

#include "store/store.h"

// Puts the copy `from` in the place of the store `path`, which no process may use; what was there
// is kept as PATH.replaced, which must not be there yet. Revisions go on behind all that the store
// may have had since the copy was made, so that no fencing token is given twice; watches have to
// read anew. Blocks. 0, or an error with its sentence: then the store is as it was.
int store_restore(const char *from, const char *path,
                  char out_sentence[STORE_SENTENCE_LEN_MAX + 1]);
