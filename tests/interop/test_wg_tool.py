"""What wg(8) and wg-quick(8) do to `wayleave wg`, and how it starts and ends."""

import base64
import os
import signal
import stat

import pytest
from device import END_SECONDS, START_SECONDS, Device, keys, preshared_key, wayleave
from harness import binary, first_reply, wait_for
from harness.process import CAP_IPC_LOCK, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, check_confined, mappings_with, statuses
from uapi import talk

pytestmark = pytest.mark.needs("wg")


@pytest.fixture
def device(pair):
    return Device(pair[0], "a", wayleave, 1).start()


def config(device, *peers):
    lines = ["[Interface]", f"PrivateKey = {device.private_key}", f"ListenPort = {device.port}"]
    for peer in peers:
        lines += ["[Peer]", *peer]
    return "\n".join(lines) + "\n"


def write(device, text):
    path = os.path.join(device.host.network.folder, "wg.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def interface_exists(host, name):
    return host.run("ip", "link", "show", name, check=False).returncode == 0


def test_what_is_set_is_shown(device):
    public, secret = keys()[1], preshared_key()
    device.wg(
        *("set", device.interface, "fwmark", "0x1234", "peer", public, "endpoint", "192.0.2.1:5"),
        *("persistent-keepalive", "25", "allowed-ips", "10.0.0.0/8,fd00::/8,0.0.0.0/0"),
        *("preshared-key", "/dev/stdin"),
        input=secret,
    )
    line = device.wg("show", device.interface, "dump").stdout.splitlines()[0].split("\t")
    assert line == [device.private_key, device.public_key, str(device.port), "0x1234"]
    peer = device.peers()[public]
    assert set(peer.pop("allowed_ips").split(",")) == {"10.0.0.0/8", "fd00::/8", "0.0.0.0/0"}
    assert peer == {
        "preshared_key": secret,
        "endpoint": "192.0.2.1:5",
        "handshake": "0",
        "rx_bytes": "0",
        "tx_bytes": peer["tx_bytes"],  # the keepalive asked for a handshake
        "keepalive": "25",
    }


def test_allowed_ips_move_to_the_peer_that_was_told_last(device):
    first, second = keys()[1], keys()[1]
    device.wg("set", device.interface, "peer", first, "allowed-ips", "10.0.0.0/8,10.1.0.0/16")
    device.wg("set", device.interface, "peer", second, "allowed-ips", "10.0.0.0/8")
    assert device.peers()[first]["allowed_ips"] == "10.1.0.0/16"
    assert device.peers()[second]["allowed_ips"] == "10.0.0.0/8"


def test_a_removed_peer_is_gone(device):
    first, second = keys()[1], keys()[1]
    device.wg("set", device.interface, "peer", first, "peer", second)
    device.wg("set", device.interface, "peer", first, "remove")
    assert set(device.peers()) == {second}


def test_setconf_replaces_everything(device):
    old, new = keys()[1], keys()[1]
    device.wg("set", device.interface, "peer", old, "allowed-ips", "10.0.0.0/8")
    path = write(device, config(device, [f"PublicKey = {new}", "AllowedIPs = 10.0.0.0/8"]))
    device.wg("setconf", device.interface, path)
    assert set(device.peers()) == {new}


def test_syncconf_keeps_what_stays(pair):
    a = Device(pair[0], "a", wayleave, 1).start()
    b = Device(pair[1], "b", wayleave, 2).start()
    a.set_peer(b, endpoint=b.host.address)
    b.set_peer(a)
    assert first_reply(a.host, b.address, START_SECONDS) is not None
    before, other = a.handshake(b), keys()[1]
    peer = [f"PublicKey = {b.public_key}", f"AllowedIPs = {b.address}/32", f"Endpoint = {b.host.address}:{b.port}"]
    a.wg("syncconf", a.interface, write(a, config(a, peer, [f"PublicKey = {other}"])))
    assert set(a.peers()) == {b.public_key, other}
    assert a.handshake(b) == before
    assert first_reply(a.host, b.address, 1) is not None, "the session was lost"


def test_showconf_can_be_set_again(device):
    peer = [f"PublicKey = {keys()[1]}", "AllowedIPs = 10.0.0.0/8, fd00::/8", "Endpoint = [2001:db8::9]:9"]
    device.wg("setconf", device.interface, write(device, config(device, peer)))
    shown = device.wg("showconf", device.interface).stdout
    device.wg("setconf", device.interface, write(device, shown))
    again = device.wg("showconf", device.interface).stdout
    # Prefixes have no order.
    assert sorted(again.replace(",", "").split()) == sorted(shown.replace(",", "").split())


def test_our_own_key_as_a_peer_is_left_out(device):
    device.wg("set", device.interface, "peer", device.public_key, "allowed-ips", "10.0.0.0/8")
    assert not device.peers()


def test_a_port_in_use_is_refused_and_nothing_changes(device):
    public = keys()[1]
    with device.host.namespace.socket() as taken:
        taken.bind(("0.0.0.0", 6000))
        done = device.wg("set", device.interface, "listen-port", "6000", "peer", public, check=False)
    assert done.returncode != 0 and "Address already in use" in done.stderr
    assert not device.peers()
    assert device.wg("show", device.interface, "listen-port").stdout.strip() == str(device.port)


def test_a_bad_request_changes_nothing(device):
    public = keys()[1].encode()
    before = talk(device.socket, b"get=1\n\n")
    assert before.endswith(b"errno=0\n\n")
    peer = b"public_key=" + base64.b64decode(public).hex().encode()
    for line in (b"nonsense=1", b"allowed_ip=10.0.0.0/64", b"endpoint=somewhere:5", b"fwmark=5"):
        answer = talk(device.socket, b"set=1\nlisten_port=7000\n" + peer + b"\n" + line + b"\n\n")
        assert answer == b"errno=-22\n\n", line
    assert talk(device.socket, b"get=2\n\n") == b"errno=-71\n\n"
    assert talk(device.socket, b"get=1\n\n") == before


def test_the_socket_is_for_root_only(device):
    assert stat.S_IMODE(os.stat(device.socket).st_mode) == 0o600


def test_a_second_instance_is_refused_in_one_line(device):
    done = device.host.run(*wayleave(device.interface)[:2], device.interface, check=False, env=device.environment())
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and device.interface in done.stderr
    assert device.answers()


def test_an_interface_of_somebody_else_is_refused_and_stays(pair):
    host = pair[0]
    device = Device(host, "a", wayleave, 1)
    host.namespace.ip(f"tuntap add {device.interface} mode tun")
    done = host.run(*wayleave(device.interface), check=False, env=device.environment())
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "exists" in done.stderr
    assert interface_exists(host, device.interface)
    assert not os.path.exists(device.socket)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(device, sign):
    assert device.stop(sign) == 0
    assert not os.path.exists(device.socket)
    assert not interface_exists(device.host, device.interface)


def test_it_ends_when_its_interface_is_deleted(device):
    device.host.namespace.ip(f"link delete {device.interface}")
    assert device.process.wait(END_SECONDS) == 0
    assert not os.path.exists(device.socket)


def test_it_ends_when_its_socket_is_removed(device):
    os.unlink(device.socket)
    assert device.process.wait(END_SECONDS) == 0
    assert not interface_exists(device.host, device.interface)


def test_what_a_killed_one_left_is_replaced(device):
    device.stop(signal.SIGKILL)
    assert os.path.exists(device.socket)
    assert not interface_exists(device.host, device.interface)
    device.start()
    assert device.answers()


def test_it_goes_to_the_background_when_it_is_ready(pair):
    device = Device(pair[0], "a", wayleave, 1)
    done = device.host.run(binary(), "wg", device.interface, env=device.environment())
    assert (done.stdout, done.stderr) == ("", "")
    assert device.answers()
    device.host.namespace.ip(f"link delete {device.interface}")
    wait_for(lambda: not os.path.exists(device.socket), END_SECONDS, "the daemon to end")


def test_it_does_not_dump_core_and_keeps_its_memory_to_itself(device):
    with open(f"/proc/{device.process.pid}/limits", encoding="ascii") as limits:
        line = next(line for line in limits if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]
    # What is not dumpable belongs to root, whoever runs it; its secrets are in nobody's argv.
    assert os.stat(f"/proc/{device.process.pid}/mem").st_uid == 0
    with open(f"/proc/{device.process.pid}/cmdline", "rb") as arguments:
        assert device.private_key.encode() not in arguments.read()
    assert device.private_key not in device.log()


def test_it_keeps_only_the_capabilities_that_wg_may_ask_for(device):
    check_confined(device.process.pid, CAP_IPC_LOCK | CAP_NET_ADMIN | CAP_NET_BIND_SERVICE)
    device.wg("set", device.interface, "listen-port", "443", "fwmark", "7")
    assert device.wg("show", device.interface, "dump").stdout.split()[2:4] == ["443", "0x7"]
    device.wg("set", device.interface, "listen-port", "0", "fwmark", "off")
    assert device.stop() == 0
    assert not os.path.exists(device.socket)


def test_further_threads_keep_no_more_and_move_with_the_port(pair):
    device = Device(pair[0], "a", lambda interface: [*wayleave(interface), "--workers", "3"], 1).start()
    for port in "443", "51900":
        device.wg("set", device.interface, "listen-port", port)
        assert len(statuses(device.process.pid)) == 3
        check_confined(device.process.pid, CAP_IPC_LOCK | CAP_NET_ADMIN | CAP_NET_BIND_SERVICE)


def test_its_keys_lie_in_locked_memory_that_is_in_no_dump(device):
    secret = preshared_key()
    device.wg("set", device.interface, "peer", keys()[1], "preshared-key", "/dev/stdin", input=secret)
    for key in device.private_key, secret:
        raw = base64.b64decode(key)
        found = mappings_with(device.process.pid, raw, raw.hex().encode(), key.encode())
        assert found, "the search must be able to find the key"
        assert not [header for header, flags in found if not {"lo", "dd"} <= flags]
