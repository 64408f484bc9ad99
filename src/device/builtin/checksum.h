/* The Internet checksum (RFC 1071) over parts, and over a copy while it is made. Sums are partial,
 * unfolded and in the machine's byte order; every part but the last must have an even size. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

uint64_t checksum_add(uint64_t sum, const void *data, size_t size);
/* Copies data to out and adds it: one pass over memory. The two must not overlap. */
uint64_t checksum_copy(uint64_t sum, void *out, const void *data, size_t size);
/* 16 bits, not inverted, as they stand in a packet when stored with memcpy(). A right packet folds
 * to 0xffff with its checksum included. */
uint16_t checksum_fold(uint64_t sum);
/* Pseudo-header of TCP and UDP (RFC 793, RFC 8200 8.1); source and destination as in the packet. */
uint64_t checksum_pseudo(uint8_t family, const void *source, const void *destination,
			 uint8_t protocol, uint32_t size);
