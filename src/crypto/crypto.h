/* Start-up of the crypto room: fetches each algorithm once (OpenSSL 3's fetches take locks) so that
 * the data path never does. Call first in main, tests and fuzzers; calling again is harmless.
 * Aborts when the library lacks an algorithm. */
#pragma once

void crypto_init(void);
