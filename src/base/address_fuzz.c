#include <stdlib.h>
#include <string.h>

#include "base/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

/* What was understood is printed in a form that is understood again, as the same. */
static void parse_address(const char *text, uint16_t default_port)
{
	struct address address, again;
	struct sockaddr_storage socket;
	char printed[ADDRESS_TEXT_SIZE];

	if (address_parse(text, default_port, &address))
		return;
	require(address.port != 0);
	require(strlen(address_print(&address, printed)) < ADDRESS_TEXT_SIZE);
	require(!address_parse(printed, 0, &again) && address_is_equal(&address, &again));
	require(address_to_socket(&address, &socket) > 0);
	again = address_from_socket((struct sockaddr *)&socket);
	require(again.port == address.port);
	/* A mapped address changes its family, any other stays the same. */
	require(address_is_equal(&address, &again) || address_is_unusable(&address));
	address_is_private(&address);
}

static void parse_prefix(const char *text)
{
	struct prefix prefix, again, masked;
	char printed[ADDRESS_TEXT_SIZE];

	if (prefix_parse(text, &prefix))
		return;
	require(prefix.bits <= family_bits(prefix.family));
	require(!prefix_parse(prefix_print(&prefix, printed), &again));
	require(prefix_is_equal(&prefix, &again));
	masked = prefix_masked(&prefix);
	require(prefix_contains(&masked, &prefix) && prefix_contains(&prefix, &masked));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	parse_address(text, 0);
	parse_address(text, 51820);
	parse_prefix(text);
	free(text);
	return 0;
}
