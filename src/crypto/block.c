#include "crypto/block.h"

#include "base/memory.h"
#include "crypto/library.h"

struct block_cipher {
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

struct block_cipher *block_cipher_new(const struct key *key)
{
	struct block_cipher *cipher = new (struct block_cipher);

	cipher->encrypt = EVP_CIPHER_CTX_new();
	cipher->decrypt = EVP_CIPHER_CTX_new();
	must(cipher->encrypt && cipher->decrypt);
	must(EVP_EncryptInit_ex2(cipher->encrypt, algorithms->aes_256_ecb, key->bytes, NULL, NULL));
	must(EVP_DecryptInit_ex2(cipher->decrypt, algorithms->aes_256_ecb, key->bytes, NULL, NULL));
	must(EVP_CIPHER_CTX_set_padding(cipher->encrypt, 0));
	must(EVP_CIPHER_CTX_set_padding(cipher->decrypt, 0));
	return cipher;
}

void block_cipher_free(struct block_cipher *cipher)
{
	if (!cipher)
		return;
	EVP_CIPHER_CTX_free(cipher->encrypt);
	EVP_CIPHER_CTX_free(cipher->decrypt);
	free(cipher);
}

void block_encrypt(struct block_cipher *cipher, const uint8_t in[BLOCK_SIZE],
		   uint8_t out[BLOCK_SIZE])
{
	int size;

	must(EVP_EncryptUpdate(cipher->encrypt, out, &size, in, BLOCK_SIZE));
}

void block_decrypt(struct block_cipher *cipher, const uint8_t in[BLOCK_SIZE],
		   uint8_t out[BLOCK_SIZE])
{
	int size;

	must(EVP_DecryptUpdate(cipher->decrypt, out, &size, in, BLOCK_SIZE));
}
