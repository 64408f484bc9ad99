"""Who belongs to the network: tokens, the map that is pushed, removal, and fifty nodes at once.

    a, b, c public --- core --- hub 203.0.113.10

    fifty:  n1 .. n5 --- NAT 198.51.100.1 ---+
            n6 .. n10 -- NAT 198.51.100.2 ---+--- core --- hub
            ...                              |
            n46 .. n50 - NAT 198.51.100.10 --+
"""

import os
import re
import shutil

import pytest
from harness import Hub, Nat, Node, first_reply, ping, prove_nodes_direct, wait_for

HUB = "203.0.113.10"
PUSH_SECONDS = 1
BACK_SECONDS = 20
NATS, HOSTS_EACH = 10, 5
FIFTY_JOIN_SECONDS = 30
FIFTY_MESH_SECONDS = 30


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


def join_refused(node, token):
    """What `wayleave up -` says when it does not let the node in."""
    done = node.command(*("up", "-", "-i", node.interface), input=token + "\n", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert not node.has_interface()
    assert done.stderr.count("\n") == 1, f"one line, please: {done.stderr}"
    return done.stderr


def token_id(hub, token):
    """The id that `token list` shows for the newest one."""
    del token
    listed = hub.hub("token", "list").stdout
    return re.findall(r"\b[0-9a-f]{16}\b", listed)[-1]


def test_up_reads_the_join_string_and_goes_to_the_background(net, hub):
    a = Node(net.public("a", "203.0.113.20"), "a")
    a.command("up", "-", "-i", a.interface, "--name", "a", input=hub.token() + "\n")
    assert a.is_connected()
    assert ping(a.host, hub.address) == 1
    a.down()
    assert not a.has_interface()
    a.command("up", "-i", a.interface)
    wait_for(a.is_connected, PUSH_SECONDS, "the second up, which needs no token")


def test_a_join_string_as_argument_works_and_warns(net, hub):
    a = Node(net.public("a", "203.0.113.20"), "a")
    done = a.command("up", hub.token(), "-i", a.interface)
    assert "warning" in done.stderr and "wl1:" not in done.stderr
    assert a.is_connected()


def test_nodes_know_each_other_within_a_second(net, hub):
    a = hub.node(net.public("a", "203.0.113.20"))
    b = hub.node(net.public("b", "203.0.113.30"))
    wait_for(lambda: a.peer(b), PUSH_SECONDS, "a to know b")
    assert a.peers()["b"]["addresses"] == [b.address + "/32"]
    hub.hub("node", "rename", "b", "bee")
    wait_for(lambda: "bee" in a.peers(), PUSH_SECONDS, "a to know b's new name")


def test_a_removed_node_is_gone_everywhere_within_a_second(net, hub):
    a, b, c = (hub.node(net.public(name, f"203.0.113.{last}")) for name, last in zip("abc", (20, 30, 40)))
    assert first_reply(a.host, c.address, 5) and first_reply(b.host, c.address, 5)
    hub.hub("node", "remove", "c")
    for node in a, b:
        wait_for(lambda: "c" not in node.peers(), PUSH_SECONDS, f"c to be gone from {node.name}")
        assert ping(node.host, c.address, wait_seconds=0.5) == 0
    assert first_reply(a.host, b.address, 5)
    c.kill()
    c.up(is_awaited=False)
    assert first_reply(c.host, hub.address, 2) is None


def test_a_removed_node_does_not_come_back_with_another_token(net, hub):
    c = hub.node(net.public("c", "203.0.113.40"))
    hub.hub("node", "remove", "c")
    c.kill()
    c.command("up", "-", "-i", c.interface, input=hub.token() + "\n", check=False)
    assert not c.is_connected()


def test_a_hub_from_a_backup_brings_no_removed_node_back(net, hub):
    """b and c are told of the removal, c starts anew; then the registry of before comes back."""
    a, b, c = (hub.node(net.public(name, f"203.0.113.{last}")) for name, last in zip("abc", (20, 30, 40)))
    assert first_reply(b.host, a.address, 5)
    key, address = a.key, a.address
    hub.stop()
    backup = os.path.join(hub.folder, "backup")
    shutil.copytree(hub.state, backup)
    hub.start()
    for node in a, b, c:
        wait_for(node.is_connected, BACK_SECONDS, f"{node.name} to be back")
    hub.hub("node", "remove", "a")
    wait_for(lambda: "a" not in b.peers() and "a" not in c.peers(), PUSH_SECONDS, "a to be gone")
    hub.stop()
    shutil.copytree(backup, hub.state, dirs_exist_ok=True)
    assert "remove who should not" in hub.hub("restore").stdout
    c.stop()
    hub.start()
    c.up()
    wait_for(b.is_connected, BACK_SECONDS, "b to be back")
    assert "a" in hub.hub("node", "list").stdout
    for node in b, c:
        wait_for(lambda: node.status()["counters"]["drops"]["records-skipped"], PUSH_SECONDS, "the refusal")
        assert "a" not in node.peers() and ping(node.host, address, wait_seconds=0.5) == 0
    hub.hub("node", "remove", "a")
    hub.hub("node", "add", key, "--name", "a", "--address", address, "--force")
    wait_for(lambda: "a" in b.peers() and "a" in c.peers(), PUSH_SECONDS, "a to be let in again")


@pytest.mark.parametrize(
    "text, says",
    [
        ("wl1:AAAA", "damaged|truncated|mistyped"),
        ("wl2:AAAA", "version|newer"),
        ("hello", "join string"),
    ],
)
def test_what_is_no_join_string_is_refused_in_words(net, hub, text, says):
    a = Node(net.public("a", "203.0.113.20"), "a")
    assert re.search(says, join_refused(a, text))


def test_a_mistyped_join_string_is_refused(net, hub):
    a = Node(net.public("a", "203.0.113.20"), "a")
    token = hub.token()
    swapped = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    assert re.search("mistyped", join_refused(a, swapped))


def test_a_used_up_token_is_refused(net, hub):
    token = hub.token()
    Node(net.public("a", "203.0.113.20"), "a").join(token)
    assert re.search("used", join_refused(Node(net.public("b", "203.0.113.30"), "b"), token))


def test_a_reusable_token_is_not_used_up(net, hub):
    token = hub.token("--reusable")
    for name, address in ("a", "203.0.113.20"), ("b", "203.0.113.30"):
        Node(net.public(name, address), name).join(token)


def test_an_expired_token_is_refused(net, hub):
    token = hub.token("--expires", "1s")
    a = Node(net.public("a", "203.0.113.20"), "a")
    expired = re.compile("expired")
    wait_for(lambda: expired.search(hub.hub("token", "list").stdout), 5, "the token to expire")
    assert expired.search(join_refused(a, token))


def test_a_revoked_token_is_refused(net, hub):
    token = hub.token()
    hub.hub("token", "revoke", token_id(hub, token))
    assert re.search("revoked", join_refused(Node(net.public("a", "203.0.113.20"), "a"), token))


def test_a_token_of_another_network_is_refused(net, hub):
    other = Hub(net.public("hub2", "203.0.113.11"), name="hub2")
    token = other.token()
    other.hub("token", "revoke", token_id(other, token))
    a = hub.node(net.public("a", "203.0.113.20"))
    a.stop()
    done = a.command("up", "-", "-i", a.interface, input=other.token() + "\n", check=False)
    assert done.returncode == 1 and "another network" in done.stderr


def test_a_node_by_config(net, hub):
    """`hub node add` prints a config for a node that made its key itself."""
    a = Node(net.public("a", "203.0.113.20"), "a")
    private = a.command("key", "generate").stdout
    public = a.command("key", "public", input=private).stdout.strip()
    config = hub.hub("node", "add", public, "--name", "a").stdout
    path = a.config + "/node.conf"
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(re.sub(r"(?m)^.*PrivateKey.*$", f"PrivateKey = {private.strip()}", config))
    a.up()
    assert ping(a.host, hub.address) == 1


def _private(path, flags):
    return os.open(path, flags, 0o600)


def test_fifty_nodes_on_one_hub(net, hub):
    token = hub.token("--reusable")
    nodes = []
    for network in range(1, NATS + 1):
        router = net.router(Nat.port_restricted(f"198.51.100.{network}"), lan=f"192.168.{network}.0/24")
        for _ in range(HOSTS_EACH):
            name = f"n{len(nodes) + 1}"
            nodes.append(Node(router.host(name), name))
    for node in nodes:
        node.join(token, is_awaited=False)
    for node in nodes:
        wait_for(node.is_connected, FIFTY_JOIN_SECONDS, f"{node.name} to join")
    everybody = len(nodes) - 1
    wait_for(
        lambda: all(len(node.peers()) == everybody for node in nodes[::7]),
        FIFTY_MESH_SECONDS,
        "the whole map",
    )
    for number, node in enumerate(nodes):
        neighbour = nodes[(number + HOSTS_EACH) % len(nodes)]  # behind the next NAT
        assert first_reply(node.host, neighbour.address, FIFTY_MESH_SECONDS), f"{node.name} cannot ping"
        wait_for(lambda: node.is_direct_to(neighbour), FIFTY_MESH_SECONDS, "a direct path")
    prove_nodes_direct(hub, nodes[0], nodes[-1])
