/* `wayleave wg --foreground INTERFACE` with sessions that end after a second or 2000 messages, so
 * that a test need not wait two minutes for the next one. */
#include <stdio.h>

#include "crypto/crypto.h"
#include "proto/noise/limits.h"
#include "wg/standalone.h"

int main(int argc, char **argv)
{
	struct wg_limits limits = wg_limits_default;
	const struct standalone_options options = {.interface = argv[1], .limits = &limits};

	if (argc != 2) {
		fputs("usage: impatient INTERFACE\n", stderr);
		return 2;
	}
	limits.rekey_after_time = USEC_PER_SEC;
	limits.rekey_after_messages = 2000;
	limits.rekey_timeout = 100 * USEC_PER_MSEC;
	limits.rekey_timeout_jitter = 10 * USEC_PER_MSEC;
	crypto_init();
	return standalone_run(&options);
}
