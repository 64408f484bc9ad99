"""What hub and node may still do when they run. `wayleave wg`: tests/interop/test_wg_tool.py.

    hub 203.0.113.10 --- core --- a 203.0.113.20

All network tests run with WAYLEAVE_SECCOMP=kill (conftest.py), so each of them would fail if a system call
were missing from a role's list.
"""

import base64
import os
import socket
import stat
import struct
import threading

import pytest
from harness import Hub, first_reply, wait_for
from harness.daemon import ROOT
from harness.process import CAP_IPC_LOCK, CAP_NET_ADMIN, check_confined, limits, mappings_with, statuses

HUB = "203.0.113.10"
NOBODY = "65534"
PATIENCE = 10
CAPABILITIES = {"hub": CAP_IPC_LOCK, "node": CAP_IPC_LOCK | CAP_NET_ADMIN}

# Exit 0: neither memory nor registers of the process are to be had.
INTRUDER = """
import ctypes, errno, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
assert libc.ptrace(PTRACE_SEIZE, pid, None, None) == -1 and ctypes.get_errno() == errno.EPERM
for name in "mem", "environ", "maps":
    try:
        open(f"/proc/{pid}/{name}", "rb").read(1)
    except PermissionError:
        continue
    sys.exit(f"{name} can be read")
"""


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


@pytest.fixture
def a(net, hub):
    return hub.node(net.public("a", "203.0.113.20"))


@pytest.fixture(params=["hub", "node"])
def role(request):
    return request.param


@pytest.fixture
def daemon(role, hub, a):
    return {"hub": hub, "node": a}[role]


def config_path(daemon):
    return os.path.join(daemon.config, {"hub": "hub.conf"}.get(daemon.name, "node.conf"))


def replace(daemon, old, new):
    """In its config."""
    path = config_path(daemon)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def private_key(daemon):
    with open(config_path(daemon), encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("PrivateKey"))
    return base64.b64decode(line.split("=", 1)[1])


def test_a_daemon_keeps_only_what_its_role_needs(daemon, role):
    check_confined(daemon.process.pid, CAPABILITIES[role])
    assert limits(daemon.process.pid)["Max core file size"] == ("0", "0")
    assert "landlock=on seccomp=kill" in daemon.log()


def test_outside_of_tests_the_filter_is_there_too(monkeypatch, net):
    monkeypatch.delenv("WAYLEAVE_SECCOMP")
    hub = Hub(net.public("hub", HUB))
    a, b = (hub.node(net.public(name, f"203.0.113.{number}")) for name, number in (("a", 20), ("b", 30)))
    assert first_reply(a.host, b.address, PATIENCE)
    for daemon, role in (hub, "hub"), (a, "node"):
        check_confined(daemon.process.pid, CAPABILITIES[role])
        assert "seccomp=on" in daemon.log()


def test_further_threads_have_no_more(net):
    hub = Hub(net.public("hub", HUB))
    a, b = (hub.node(net.public(name, f"203.0.113.{number}")) for name, number in (("a", 20), ("b", 30)))
    for daemon, start in (hub, hub.start), (a, a.up):
        daemon.stop()
        replace(daemon, "[Interface]\n", "[Interface]\nWorkers = 3\n")
        start()
    assert first_reply(a.host, b.address, PATIENCE)
    for daemon, role in (hub, "hub"), (a, "node"):
        assert len(statuses(daemon.process.pid)) == 3
        check_confined(daemon.process.pid, CAPABILITIES[role])


def test_what_the_units_leave_is_enough(hub, a):
    """Their bounding set of capabilities; the other lines need systemd."""
    with open(os.path.join(ROOT, "data", "systemd", "hardening"), encoding="ascii") as file:
        line = next(line for line in file if line.startswith("CapabilityBoundingSet="))
    words = line.split("=", 1)[1].lower().replace("cap_", "+").split()
    wrapper = "setpriv", "--bounding-set", ",".join(["-all", *words])
    hub.stop()
    hub.process = hub.spawn("hub", "run", "-i", hub.interface, wrapper=wrapper)
    a.stop()
    a.process = a.spawn("up", "-i", a.interface, "--foreground", wrapper=wrapper)
    a.await_hub()
    for daemon, role in (hub, "hub"), (a, "node"):
        check_confined(daemon.process.pid, CAPABILITIES[role])
        assert daemon.stop() == 0


def test_an_unknown_mode_is_refused(monkeypatch, a):
    a.stop()
    monkeypatch.setenv("WAYLEAVE_SECCOMP", "perhaps")
    done = a.command("up", "-i", a.interface, check=False)
    assert done.returncode == 1 and "WAYLEAVE_SECCOMP" in done.stderr


@pytest.mark.parametrize("user", [("--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"), ()], ids=["nobody", "root"])
def test_nobody_without_capabilities_looks_into_a_daemon(daemon, user):
    """Neither another user nor root's other processes, if they have no capabilities."""
    wrapper = "setpriv", *user, "--inh-caps=-all", "--bounding-set=-all"
    argv = *wrapper, "/usr/bin/python3", "-c", INTRUDER, str(daemon.process.pid)
    done = daemon.host.run(*argv, check=False)
    assert done.returncode == 0, done.stderr


def test_keys_lie_in_locked_memory_that_is_in_no_dump(daemon):
    """Also the copies, in whatever form the config had them; what was wiped is nowhere."""
    key = private_key(daemon)
    found = mappings_with(daemon.process.pid, key, base64.b64encode(key))
    assert found, "the search must be able to find the key"
    assert not [header for header, flags in found if not {"lo", "dd"} <= flags]


def test_in_the_background_too(hub, a):
    """Locks of memory do not outlive the fork that leads there."""
    key = private_key(a)
    a.stop()
    a.command("up", "-i", a.interface)
    with open(os.path.join(a.sockets, a.interface + ".lock"), encoding="ascii") as lock:
        pid = int(lock.read())
    check_confined(pid, CAPABILITIES["node"])
    found = mappings_with(pid, key, base64.b64encode(key))
    assert found and not [header for header, flags in found if not {"lo", "dd"} <= flags]
    a.down()


def test_files_and_sockets_belong_to_root_alone(hub, a):
    """There is no group `wayleave` here, to which the control sockets would be given."""
    for daemon in hub, a:
        for folder in daemon.state, daemon.sockets:
            for name in os.listdir(folder):
                status = os.stat(os.path.join(folder, name))
                assert (status.st_uid, stat.S_IMODE(status.st_mode) & 0o077) == (0, 0), name


def test_a_daemon_cleans_up_when_it_ends(daemon):
    uapi = f"/var/run/wireguard/{daemon.interface}.sock"
    assert os.path.exists(uapi)
    assert daemon.stop() == 0
    assert not os.path.exists(uapi)
    assert not [name for name in os.listdir(daemon.sockets) if name.endswith(".sock")]
    assert not daemon.has_interface()


class Names:
    """A DNS server in a host, which gives one address for every name; and no answer to other questions."""

    def __init__(self, host, address):
        self.address, self.questions = socket.inet_aton(address), 0
        self.udp = host.namespace.socket()
        self.udp.bind((host.address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, asker = self.udp.recvfrom(512)
            if question == b"end":
                return
            self.questions += 1
            self.udp.sendto(self.answer(question), asker)

    def answer(self, question):
        end = question.index(b"\0", 12) + 5
        is_a = question[end - 4 : end - 2] == b"\0\1"
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + self.address
        header = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, is_a, 0, 0)
        return header + question[12:end] + (record if is_a else b"")

    def close(self):
        self.udp.sendto(b"end", self.udp.getsockname())
        self.thread.join()
        self.udp.close()


def test_names_are_asked_for_and_resolv_conf_is_read_after_the_start(net, hub, a):
    """`ip netns exec` shows files of /etc/netns/NAME in place of those in /etc."""
    folder = os.path.join("/etc/netns", a.host.namespace.name)
    names = Names(hub.host, HUB)
    replace(a, hub.endpoint, "hub.example:51820")
    os.makedirs(folder)
    try:
        with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as file:
            file.write(f"nameserver {HUB}\n")
        a.stop()
        before = names.questions
        a.up()
        wait_for(lambda: names.questions > before, PATIENCE, "a question of the node")
        assert a.stop() == 0
    finally:
        names.close()
        os.unlink(os.path.join(folder, "resolv.conf"))
        os.rmdir(folder)
