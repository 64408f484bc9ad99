"""A machine that is not as it should be: one clear line, and nothing lost or half done.

    a, b public --- core --- hub 203.0.113.10
"""

import os
import subprocess

import pytest
from harness import Hub, Node, first_reply, ping, wait_for

HUB = "203.0.113.10"
NOBODY = 65534
SMALL_DISK_BYTES = 512 << 10


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


@pytest.fixture
def a(net, hub):
    return hub.node(net.public("a", "203.0.113.20"))


def refused(node, *words, wrapper=(), **options):
    """The one line that the command says when it fails."""
    done = subprocess.run(
        node.host.namespace.argv(*wrapper, node.program, *words),
        env=node.environment(),
        text=True,
        capture_output=True,
        timeout=20,
        **options,
    )
    assert done.returncode == 1, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stderr.count("\n") == 1, f"one line, please: {done.stderr}"
    return done.stderr


def snapshot(node):
    """What the machine has: addresses, routes, rules, interfaces, sockets."""
    commands = ["ip -o link", "ip -o address", "ip route show table all", "ip -6 route show table all"]
    commands += ["ip rule", "ss -lunH"]
    network = [node.host.run(*command.split()).stdout for command in commands]
    uapi = "/var/run/wireguard"
    sockets = [name for name in os.listdir(uapi) if node.interface in name] if os.path.isdir(uapi) else []
    return network, sockets, [name for name in os.listdir(node.sockets) if name.endswith(".sock")]


def test_a_second_instance_is_refused(hub, a):
    said = refused(a, "up", "-i", a.interface)
    assert "another wayleave" in said and str(a.process.pid) in said
    assert a.is_connected() and ping(a.host, hub.address) == 1


def test_a_second_hub_is_refused(hub):
    said = refused(hub, "hub", "run", "-i", hub.interface)
    assert "another hub" in said
    assert hub.hub("node", "list")


@pytest.mark.parametrize("kind", ["bridge", "tun"])
def test_a_foreign_interface_is_refused_and_left_alone(net, hub, a, kind):
    a.stop()
    create = f"link add {a.interface} type bridge" if kind == "bridge" else f"tuntap add {a.interface} mode tun"
    a.host.namespace.ip(create, f"address add 192.0.2.1/24 dev {a.interface}", f"link set {a.interface} up")
    before = snapshot(a)
    assert a.interface in refused(a, "up", "-i", a.interface)
    assert snapshot(a) == before


def test_down_leaves_nothing(net, hub, a):
    a.stop()
    before = snapshot(a)
    a.up()
    assert snapshot(a) != before
    a.down()
    assert snapshot(a) == before


def test_kill_and_a_fresh_up_leave_nothing(net, hub, a):
    a.stop()
    before = snapshot(a)
    a.up()
    a.kill()
    a.up()
    assert ping(a.host, hub.address) == 1
    a.down()
    assert snapshot(a) == before


def test_down_of_what_is_not_up_says_so(net, hub, a):
    a.stop()
    assert a.interface in refused(a, "down", "-i", a.interface)
    assert a.interface in refused(a, "status", "-i", a.interface)


def test_no_tun_device(hub, a):
    a.stop()
    hidden = "mount -t tmpfs none /dev/net && exec \"$@\""
    said = refused(a, "up", "-i", a.interface, wrapper=("unshare", "--mount", "sh", "-c", hidden, "sh"))
    assert "/dev/net/tun" in said


def test_no_permission(hub, a):
    a.stop()
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", a.folder], check=True)
    as_nobody = "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"
    said = refused(a, "up", "-i", a.interface, wrapper=as_nobody)
    assert "root" in said or "CAP_NET_ADMIN" in said
    assert not a.has_interface()


def test_others_may_not_ask_a_daemon(a):
    as_nobody = "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"
    for words in ("status", "-i", a.interface), ("down", "-i", a.interface):
        assert "permission" in refused(a, *words, wrapper=as_nobody).lower()
    assert a.is_connected()


def test_a_full_disk_under_the_hub(net, hub, a):
    """A node that was acknowledged stays; one that could not be stored is refused; then it works again."""
    hub.stop()
    with hub.small_state_disk(SMALL_DISK_BYTES) as disk:
        hub.start()
        wait_for(a.is_connected, 10, "a to find the hub again")
        listed = hub.hub("node", "list").stdout
        disk.fill()
        key = a.command("key", "public", input=a.command("key", "generate").stdout).stdout.strip()
        said = refused(hub, "hub", "node", "add", key, "--name", "late")
        assert "space" in said or "disk" in said
        assert hub.hub("node", "list").stdout == listed
        assert a.is_connected()
        disk.free()
        hub.hub("node", "add", key, "--name", "late")
        assert "late" in hub.hub("node", "list").stdout
        hub.kill()
        hub.start()
        assert "late" in hub.hub("node", "list").stdout
        hub.stop()


def test_a_full_disk_under_a_node(net, hub, a):
    """What it has on disk stays whole; the network goes on; with room again the map is kept."""
    a.stop()
    with a.small_state_disk(SMALL_DISK_BYTES) as disk:
        a.up()
        disk.fill()
        b = hub.node(net.public("b", "203.0.113.30"))
        assert first_reply(a.host, b.address, 5)
        wait_for(lambda: "space" in a.log(), 5, "the full disk to be told")
        a.kill()
        a.up()
        assert first_reply(a.host, b.address, 5)
        disk.free()
        c = hub.node(net.public("c", "203.0.113.40"))
        assert first_reply(a.host, c.address, 5)
        a.stop()
        hub.kill()
        a.up(is_awaited=False)
        wait_for(lambda: a.peer(b) and a.peer(c), 5, "the map from the disk")
        a.stop()


def test_joining_with_a_full_disk_spends_no_token(net, hub):
    b = Node(net.public("b", "203.0.113.30"), "b")
    token = hub.token()
    with b.small_state_disk(SMALL_DISK_BYTES) as disk:
        disk.fill()
        said = refused(b, "up", "-", "-i", b.interface, input=token + "\n")
        assert "space" in said or "disk" in said
        disk.free()
        b.join(token)
        b.stop()


def make_older(node, days):
    """As if its map had been written so much earlier."""
    path = os.path.join(node.state, node.interface + ".map")
    written = os.stat(path).st_mtime - days * 86400
    os.utime(path, (written, written))


def test_an_old_map_warns_and_an_expired_one_is_not_used(net, hub):
    a, b = hub.node(net.public("a", "203.0.113.20")), hub.node(net.public("b", "203.0.113.30"))
    assert first_reply(a.host, b.address, 5)
    hub.kill()
    a.stop()
    make_older(a, 8)
    a.up(is_awaited=False)
    wait_for(lambda: (a.status() or {}).get("map_state") == "old", 5, "the map to be old")
    assert "removed nodes may still be in it" in a.command("status", "-i", a.interface).stdout
    assert first_reply(a.host, b.address, 10), "old is not expired"
    a.stop()
    make_older(a, 23)
    a.up(is_awaited=False)
    wait_for(lambda: (a.status() or {}).get("map_state") == "expired", 5, "the map to expire")
    assert a.peer(b)["path"]["reason"] == "map-expired"
    shown = a.command("status", "-i", a.interface).stdout
    assert "none (map-expired)" in shown and "no node is used" in shown
    assert ping(a.host, b.address, wait_seconds=0.5) == 0
    hub.start()
    wait_for(a.is_connected, 15, "the hub to confirm the map")
    assert a.status()["map_state"] == "fresh"
    assert first_reply(a.host, b.address, 10)
