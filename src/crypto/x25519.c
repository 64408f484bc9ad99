#include "crypto/x25519.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "crypto/library.h"
#include "crypto/secret.h"

void x25519_clamp(struct key *private_key)
{
	private_key->bytes[0] &= 248;
	private_key->bytes[31] &= 127;
	private_key->bytes[31] |= 64;
}

/* The library computes a missing public half at once, which costs as much as the whole exchange;
 * derivation never reads it, so a placeholder spares that. */
static EVP_PKEY *private_load(const struct key *private_key, const struct key *placeholder)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY,
						  (void *)private_key->bytes, KEY_SIZE),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  (void *)placeholder->bytes, KEY_SIZE),
		OSSL_PARAM_construct_end(),
	};

	must(context && EVP_PKEY_fromdata_init(context) == 1);
	must(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters));
	EVP_PKEY_CTX_free(context);
	return pkey;
}

void x25519_public(const struct key *private_key, struct key *ret_public)
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key->bytes, KEY_SIZE);
	size_t size = KEY_SIZE;

	must(pkey && EVP_PKEY_get_raw_public_key(pkey, ret_public->bytes, &size) == 1);
	EVP_PKEY_free(pkey);
}

int x25519_shared(const struct key *private_key, const struct key *public_key,
		  struct key *ret_shared)
{
	EVP_PKEY *mine = private_load(private_key, public_key);
	EVP_PKEY *theirs =
		EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, public_key->bytes, KEY_SIZE);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
	static const struct key zero;
	struct key shared = {0};
	size_t size = KEY_SIZE;

	must(theirs && context && EVP_PKEY_derive_init(context) == 1);
	must(EVP_PKEY_derive_set_peer_ex(context, theirs, 0));
	/* The library fails on an all-zero result, with an error in the thread's queue. */
	ERR_set_mark();
	if (EVP_PKEY_derive(context, shared.bytes, &size) != 1)
		secret_wipe(&shared, sizeof(shared));
	ERR_pop_to_mark();
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(mine);
	*ret_shared = shared;
	secret_wipe(&shared, sizeof(shared));
	return secret_is_equal(ret_shared, &zero, KEY_SIZE) ? -EBADMSG : 0;
}
