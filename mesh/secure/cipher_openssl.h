// OpenSSL's ChaCha20-Poly1305: the same bytes as libsodium's, in a third of the time where the
// processor has AVX-512. For processes that have OpenSSL anyway: those with Node.js in them
// (docs/decisions/0011-records-are-sealed-by-openssl.md).
#pragma once

#include "secure/cipher.h"

// Falls back on libsodium where OpenSSL's configuration does not offer the algorithm (FIPS).
extern const mesh_aead mesh_aead_openssl;
