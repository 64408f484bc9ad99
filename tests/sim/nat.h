/* The translation table of one NAT or firewall: mappings of inside addresses, and under each the
 * flows that opened it. Shared by the files of the network only. */
#pragma once

#include "network.h"

#define NAT_MAPPINGS_MAX 256
#define NAT_FLOWS_MAX    48

/* One remote that an inside address talks to. */
struct nat_flow {
	struct address remote;
	usec_t last;     /* packet of either direction; 0 = unused */
	bool is_assured; /* a packet came back */
};

struct nat_mapping_entry {
	bool is_set;
	bool is_for_one; /* serves `remote` only: symmetric, or moved away */
	struct address inside, outside, remote;
	struct nat_flow flows[NAT_FLOWS_MAX];
	size_t flow_count;
};

/* An outside port that a stranger's packet took, towards that stranger only. */
struct nat_claim {
	struct address remote;
	uint16_t port;
	usec_t last;
};
#define NAT_CLAIMS_MAX 64

struct nat_table {
	struct nat nat;
	struct nat_mapping_entry mappings[NAT_MAPPINGS_MAX];
	size_t mapping_count; /* in use at the front, dead ones included */
	struct nat_claim claims[NAT_CLAIMS_MAX];
	uint16_t next_port;
};

void nat_init(struct nat_table *table, const struct nat *nat);
void nat_rebind(struct nat_table *table);
/* Outbound: the source as the outer side sees it. */
struct address nat_out(struct nat_table *table, usec_t now, const struct address *source,
		       const struct address *destination);
/* Inbound: where it goes inside. False = dropped. */
bool nat_in(struct nat_table *table, usec_t now, const struct address *source,
	    struct address *destination);
