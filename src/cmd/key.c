/* wayleave key: what `wg genkey`, `wg pubkey` and `wg genpsk` do. */
#include "base/key.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

#define STDIN_MAX 256 /* a key and blanks around it */

static const char usage[] =
	"Usage: wayleave key generate | public | preshared\n"
	"\n"
	"Makes WireGuard keys; the same as wg genkey, wg pubkey and wg genpsk.\n"
	"\n"
	"Examples:\n"
	"  umask 077; wayleave key generate > node.key\n"
	"  wayleave key public < node.key\n";

static const char generate_help[] = "Usage: wayleave key generate\n"
				    "\n"
				    "Prints a new private key.\n"
				    "\n"
				    "Example: (umask 077; wayleave key generate > node.key)\n";

static const char public_help[] = "Usage: wayleave key public < PRIVATE-KEY-FILE\n"
				  "\n"
				  "Reads a private key from stdin and prints its public key.\n"
				  "\n"
				  "Example: wayleave key public < node.key\n";

static const char preshared_help[] = "Usage: wayleave key preshared\n"
				     "\n"
				     "Prints a new preshared key.\n"
				     "\n"
				     "Example: (umask 077; wayleave key preshared > pair.psk)\n";

static bool takes_no_arguments(const char *program, const char *help, int argc, char **argv,
			       int *ret_status)
{
	const struct cmd_syntax syntax = {.program = program, .help = help};

	return cmd_parse(&syntax, argc, argv, ret_status) > 0;
}

static int print_key(const struct key *key)
{
	char text[KEY_TEXT_SIZE];

	key_print(key, text);
	puts(text);
	secret_wipe(text, sizeof(text));
	return cmd_finish_output();
}

static void warn_when_others_may_read(void)
{
	struct stat status;

	if (!fstat(STDOUT_FILENO, &status) && S_ISREG(status.st_mode) &&
	    status.st_mode & (S_IRWXG | S_IRWXO))
		fputs("wayleave: warning: the file can be read by others; use umask 077\n", stderr);
}

static int run_generate(int argc, char **argv)
{
	struct key key;
	int status;

	if (!takes_no_arguments("wayleave key generate", generate_help, argc, argv, &status))
		return status;
	warn_when_others_may_read();
	random_bytes(&key, sizeof(key));
	x25519_clamp(&key);
	status = print_key(&key);
	secret_wipe(&key, sizeof(key));
	return status;
}

static int run_preshared(int argc, char **argv)
{
	struct key key;
	int status;

	if (!takes_no_arguments("wayleave key preshared", preshared_help, argc, argv, &status))
		return status;
	warn_when_others_may_read();
	random_bytes(&key, sizeof(key));
	status = print_key(&key);
	secret_wipe(&key, sizeof(key));
	return status;
}

static int run_public(int argc, char **argv)
{
	struct key private_key = {0}, public_key;
	struct buffer text = {0};
	int status;

	if (!takes_no_arguments("wayleave key public", public_help, argc, argv, &status))
		return status;
	if (cmd_read_stdin(&text, STDIN_MAX) || strlen(text.data) != text.size ||
	    key_parse(text_trim(text.data), &private_key) || key_is_zero(&private_key)) {
		status = cmd_fail("stdin holds no private key (44 characters of base64)");
	} else {
		x25519_public(&private_key, &public_key);
		status = print_key(&public_key);
	}
	secret_wipe(&private_key, sizeof(private_key));
	cmd_forget_buffer(&text);
	return status;
}

int cmd_key(int argc, char **argv)
{
	static const struct command commands[] = {
		{"generate", run_generate, "print a new private key"},
		{"public", run_public, "read a private key from stdin, print its public key"},
		{"preshared", run_preshared, "print a new preshared key"},
	};

	return cmd_dispatch("wayleave key", usage, commands, array_size(commands), argc, argv);
}
