"""wg-quick(8), unmodified, with stock configs and WG_QUICK_USERSPACE_IMPLEMENTATION=wayleave-wg.

    a (198.51.100.1) --- core --- b (198.51.100.2)      inside: 10.9.0.1, fd09::1 --- 10.9.0.2, fd09::2
"""

import os
import shutil

import pytest
from device import END_SECONDS, START_SECONDS, Device, keys, preshared_key, wayleave
from harness import binary, first_reply, wait_for

pytestmark = pytest.mark.needs("wg", "wg-quick")

MARK = "0xca6c"  # what wg-quick chooses for its own table, 51820
BEYOND, BEYOND6 = "203.0.113.99", "2001:db8:99::1"  # behind b only


class Quick(Device):
    """The interface of one config file; b is its first peer."""

    def __init__(self, host, other):
        super().__init__(host, "a", wayleave, 1)
        self.other = other
        self.path = os.path.join(host.network.folder, self.interface + ".conf")

    def environment(self):
        path = os.path.dirname(binary()) + ":" + os.environ["PATH"]
        assert shutil.which("wayleave-wg", path=path), "no wayleave-wg beside the program"
        return dict(super().environment(), PATH=path, WG_QUICK_USERSPACE_IMPLEMENTATION="wayleave-wg")

    def write(self, interface=(), peer=(), more=()):
        lines = ["[Interface]", f"PrivateKey = {self.private_key}", f"Address = {self.address}/24, {self.address6}/64"]
        lines += [*interface, "", "[Peer]", f"PublicKey = {self.other.public_key}"]
        if not any(line.startswith("Endpoint") for line in peer):
            lines.append(f"Endpoint = {self.other.host.address}:{self.other.port}")
        if not any(line.startswith("AllowedIPs") for line in peer):
            lines.append(f"AllowedIPs = {self.other.address}/32, {self.other.address6}/128")
        lines += [*peer, *more]
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def quick(self, word, **options):
        return self.host.run("wg-quick", word, self.path, env=self.environment(), **options)

    def up(self, *lines, **options):
        self.write(*lines, **options)
        done = self.quick("up")
        if not os.path.exists(self.socket):
            pytest.skip("this kernel has WireGuard, and wg-quick prefers it")
        return done

    def down(self):
        self.quick("down")
        assert self.host.run("ip", "link", "show", self.interface, check=False).returncode != 0
        wait_for(lambda: not os.path.exists(self.socket), END_SECONDS, "the daemon to end")

    def show(self, word):
        return self.wg("show", self.interface, word).stdout.strip()

    def routes(self, *words):
        return self.host.run("ip", "route", "show", "dev", self.interface, *words, check=False).stdout

    def assert_reaches(self, *addresses):
        for address in addresses:
            assert first_reply(self.host, address, START_SECONDS) is not None, f"no answer from {address}"


@pytest.fixture
def b(pair):
    device = Device(pair[1], "b", wayleave, 2).start()
    device.host.namespace.ip(
        f"address add {BEYOND}/32 dev {device.interface}", f"address add {BEYOND6}/128 dev {device.interface}"
    )
    return device


@pytest.fixture
def a(pair, b):
    device = Quick(pair[0], b)
    b.set_peer(device)
    return device


def machine(host):
    """What wg-quick changes besides its interface."""
    commands = "ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "nft list ruleset"
    return [host.run(*command.split()).stdout for command in commands]


def test_up_and_down_leave_nothing(a, b):
    before = machine(a.host)
    a.up()
    a.assert_reaches(b.address, b.address6)
    refused = a.quick("up", check=False)
    assert refused.returncode == 1 and "already exists" in refused.stderr
    a.assert_reaches(b.address)
    a.down()
    assert machine(a.host) == before
    a.up()
    a.assert_reaches(b.address)


def test_a_default_route_goes_by_the_mark(a, b):
    """Everything goes through the tunnel but the tunnel's own packets, which bear the mark."""
    before = machine(a.host)
    a.up(peer=["AllowedIPs = 0.0.0.0/0, ::/0"])
    assert a.show("fwmark") == MARK
    rules = a.host.run("ip", "rule").stdout + a.host.run("ip", "-6", "rule").stdout
    assert rules.count(f"not from all fwmark {MARK} lookup 51820") == 2
    a.assert_reaches(b.address, b.address6, BEYOND, BEYOND6)
    assert a.peer(b)["endpoint"] == f"{b.host.address}:{b.port}"
    a.down()
    assert machine(a.host) == before


def test_hooks_run_in_their_order_with_the_interface_there(a):
    path = os.path.join(a.host.network.folder, "hooks")
    hooks = "PreUp", "PostUp", "PreDown", "PostDown"
    a.up([f"{hook} = echo {hook} %i $(wg show %i listen-port 2>/dev/null) >> {path}" for hook in hooks] + ["ListenPort = 7001"])
    a.down()
    with open(path, encoding="ascii") as file:
        name = a.interface
        assert file.read().splitlines() == [f"PreUp {name}", f"PostUp {name} 7001", f"PreDown {name} 7001", f"PostDown {name}"]


def test_several_peers_a_preshared_key_and_an_ipv6_endpoint(a, b):
    secret, other = preshared_key(), keys()[1]
    b.set_peer(a, "preshared-key", "/dev/stdin", input=secret)
    a.up(
        peer=[f"PresharedKey = {secret}", f"Endpoint = [{b.host.address6}]:{b.port}", "PersistentKeepalive = 25"],
        more=["[Peer]", f"PublicKey = {other}", "AllowedIPs = 10.77.0.0/16", "PersistentKeepalive = off"],
    )
    a.assert_reaches(b.address, b.address6)
    peers = a.peers()
    assert peers[b.public_key]["endpoint"] == f"[{b.host.address6}]:{b.port}"
    assert peers[b.public_key]["preshared_key"] == secret and peers[b.public_key]["keepalive"] == "25"
    assert peers[other] == {
        "preshared_key": "(none)",
        "endpoint": "(none)",
        "allowed_ips": "10.77.0.0/16",
        "handshake": "0",
        "rx_bytes": "0",
        "tx_bytes": "0",
        "keepalive": "off",
    }
    assert "10.77.0.0/16" in a.routes()


def test_without_a_listen_port_there_is_any(a):
    a.up()
    assert 0 < int(a.show("listen-port")) < 65536 and a.show("fwmark") == "off"


def test_table_off_sets_no_route(a):
    a.up(["Table = off"], more=["[Peer]", f"PublicKey = {keys()[1]}", "AllowedIPs = 10.77.0.0/16"])
    assert "10.77.0.0/16" not in a.routes("table", "all")


def test_table_123_has_the_routes(a):
    a.up(["Table = 123"], more=["[Peer]", f"PublicKey = {keys()[1]}", "AllowedIPs = 10.77.0.0/16"])
    assert "10.77.0.0/16" in a.routes("table", "123") and "10.77.0.0/16" not in a.routes()
    a.down()


@pytest.mark.parametrize("lines, mtu", [((), 1420), (("MTU = 1380",), 1380)])
def test_the_mtu_is_the_configs_or_that_of_the_path(a, b, lines, mtu):
    a.up(lines)
    assert f" mtu {mtu} " in a.host.run("ip", "link", "show", a.interface).stdout
    a.assert_reaches(b.address)


def test_saveconfig_writes_what_was_changed(a, b):
    a.up(["SaveConfig = true", "ListenPort = 7001"])
    other = keys()[1]
    a.wg("set", a.interface, "listen-port", "7002", "fwmark", "0x9", "peer", other, "allowed-ips", "10.78.0.0/16,fd78::/16")
    a.assert_reaches(b.address)
    a.down()
    with open(a.path, encoding="ascii") as file:
        saved = file.read()
    for line in ("SaveConfig = true", "ListenPort = 7002", "FwMark = 0x9", f"PublicKey = {other}", f"PrivateKey = {a.private_key}"):
        assert line in saved
    assert a.quick("up").returncode == 0
    assert set(a.peers()) == {b.public_key, other} and a.show("listen-port") == "7002"
    a.assert_reaches(b.address)


def test_strip_and_syncconf_change_a_running_one(a, b):
    a.up()
    a.assert_reaches(b.address)
    before, other = a.handshake(b), keys()[1]
    a.write(more=["[Peer]", f"PublicKey = {other}", "AllowedIPs = 10.79.0.0/16"])
    a.wg("syncconf", a.interface, "/dev/stdin", input=a.quick("strip").stdout)
    assert set(a.peers()) == {b.public_key, other} and a.handshake(b) == before
    a.assert_reaches(b.address)
