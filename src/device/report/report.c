#include "device/report/report.h"

#include <stdio.h>

#include "base/memory.h"
#include "device/builtin/builtin.h"
#include "port/port.h"

struct count {
	const char *name;
	uint64_t value;
};

static json_t *drops_json(const struct builtin_counters *device, const struct port_counters *port)
{
	json_t *drops = json_object();
	char name[80];

	for (unsigned i = 0; i < BUILTIN_DROP_COUNT; i++)
		json_object_set_new(drops, builtin_drop_name(i),
				    json_integer((json_int_t)device->drops[i]));
	for (int i = 0; i < PORT_DROP_COUNT; i++) {
		snprintf(name, sizeof(name), "port-%s", port_drop_name(i));
		json_object_set_new(drops, name, json_integer((json_int_t)port->drops[i]));
	}
	return drops;
}

static json_t *device_json(const struct builtin_counters *device, const struct port_counters *port)
{
	const struct count counts[] = {
		{"workers", device->workers},
		{"tun_read_calls", device->tun_reads},
		{"tun_read_packets", device->tun_read_packets},
		{"tun_write_calls", device->tun_writes},
		{"tun_write_packets", device->tun_write_packets},
		{"udp_receive_calls", port->rx_calls},
		{"udp_receive_datagrams", port->rx_datagrams},
		{"udp_send_calls", port->tx_calls},
		{"udp_send_datagrams", port->tx_datagrams},
		{"udp_send_failures", port->tx_failures},
		{"gso_fallbacks", port->gso_fallbacks},
		{"keepalives_received", device->keepalives_received},
		{"handshakes_sent", device->handshakes_sent},
		{"handshakes_completed", device->handshakes_completed},
		{"cookies_sent", device->cookies_sent},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < array_size(counts); i++)
		json_object_set_new(object, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
	return object;
}

/* In tenths; null before the first call. */
static json_t *ratio_json(uint64_t packets, uint64_t calls)
{
	uint64_t tenths = calls ? packets * 10 / calls : 0;

	return calls ? json_real((double)tenths / 10.0) : json_null();
}

static json_t *per_call_json(const struct builtin_counters *device,
			     const struct port_counters *port)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "tun_read",
			 ratio_json(device->tun_read_packets, device->tun_reads), "tun_write",
			 ratio_json(device->tun_write_packets, device->tun_writes), "udp_receive",
			 ratio_json(port->rx_datagrams, port->rx_calls), "udp_send",
			 ratio_json(port->tx_datagrams, port->tx_calls));
}

json_t *report_counters(struct builtin *builtin)
{
	struct builtin_counters device;
	struct port_counters port;

	builtin_get_counters(builtin, &device);
	builtin_get_port_counters(builtin, &port);
	return json_pack("{s:o, s:o, s:o}", "drops", drops_json(&device, &port), "device",
			 device_json(&device, &port), "packets_per_call",
			 per_call_json(&device, &port));
}
