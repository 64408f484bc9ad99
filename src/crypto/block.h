/* One AES-256 block, for the header mask (protocol: masking). A context belongs to one thread. */
#pragma once

#include <stdint.h>

#include "base/key.h"

#define BLOCK_SIZE 16

/* Both directions of one AES-256 key. */
struct block_cipher;

struct block_cipher *block_cipher_new(const struct key *key);
void block_cipher_free(struct block_cipher *cipher);
void block_encrypt(struct block_cipher *cipher, const uint8_t in[BLOCK_SIZE],
		   uint8_t out[BLOCK_SIZE]);
void block_decrypt(struct block_cipher *cipher, const uint8_t in[BLOCK_SIZE],
		   uint8_t out[BLOCK_SIZE]);
