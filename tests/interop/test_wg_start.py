"""The environment of `wayleave wg`: that of wireguard-go, with the same effects."""

import fcntl
import os
import socket
import struct
import subprocess

import pytest
from device import END_SECONDS, START_SECONDS, UAPI_FOLDER, Device, wayleave, wireguard_go
from harness import binary, first_reply, wait_for

pytestmark = pytest.mark.needs("wg")

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
BOTH = pytest.mark.parametrize(
    "implementation", [wayleave, pytest.param(wireguard_go, marks=pytest.mark.needs("wireguard-go"))]
)


@pytest.fixture
def device(pair):
    return Device(pair[0], "a", wayleave, 1)


def without_option(implementation):
    return lambda interface: [word for word in implementation(interface) if word != "--foreground"]


def open_tun(host, name):
    """A descriptor of a new interface there."""
    with host.namespace.entered():
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def test_an_inherited_interface_is_used(pair):
    """Theirs of this version wants packet information (no IFF_NO_PI), later ones do not; ours never does."""
    a, b = Device(pair[0], "a", wayleave, 1), Device(pair[1], "b", wayleave, 2).start()
    tun = open_tun(a.host, a.interface)
    a.start(pass_fds=(tun,), WG_TUN_FD=str(tun))
    os.close(tun)
    b.set_peer(a)
    a.set_peer(b, endpoint=b.host.address)
    assert first_reply(a.host, b.address, START_SECONDS) is not None
    assert first_reply(b.host, a.address6, START_SECONDS) is not None
    a.stop()
    assert a.host.run("ip", "link", "show", a.interface, check=False).returncode != 0


@BOTH
def test_an_inherited_socket_is_used(pair, implementation):
    device = Device(pair[0], "a", implementation, 1)
    os.makedirs(UAPI_FOLDER, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as uapi:
        uapi.bind(device.socket)
        os.chmod(device.socket, 0o600)
        uapi.listen()
        device.start(pass_fds=(uapi.fileno(),), WG_UAPI_FD=str(uapi.fileno()))
    assert device.wg("show", device.interface, "listen-port").stdout.strip() == str(device.port)
    os.unlink(device.socket)
    assert device.process.wait(END_SECONDS) == 0


@BOTH
def test_the_environment_can_keep_it_in_the_foreground(pair, implementation):
    device = Device(pair[0], "a", without_option(implementation), 1)
    device.start(WG_PROCESS_FOREGROUND="1")
    assert device.process.poll() is None
    assert device.stop() == 0


@pytest.mark.parametrize(
    "variable, value", [("WG_TUN_FD", "x"), ("WG_TUN_FD", "-1"), ("WG_TUN_FD", "0"), ("WG_TUN_FD", "77"), ("WG_UAPI_FD", "77")]
)
def test_what_is_no_descriptor_is_refused_in_a_line(device, variable, value):
    for foreground in ["--foreground"], []:
        argv = [binary(), "wg", *foreground, device.interface]
        done = device.host.run(*argv, check=False, env=dict(device.environment(), **{variable: value}))
        assert done.returncode == 1 and variable in done.stderr and len(done.stderr.splitlines()) == 1
    assert not os.path.exists(device.socket)


@pytest.mark.parametrize(
    "level, said", [("", "started"), ("verbose", "started"), ("debug", "started"), ("error", ""), ("silent", "")]
)
def test_the_log_has_the_level_that_is_asked_for(device, level, said):
    device.start(LOG_LEVEL=level)
    device.stop()
    assert said in device.log() if said else device.log() == ""


@pytest.mark.parametrize("level, is_heard", [("", False), ("verbose", True), ("silent", False)])
def test_in_the_background_the_output_stays_when_a_level_is_asked_for(device, level, is_heard):
    with open(device.log_path, "ab") as log:
        command = device.host.spawn(
            *(binary(), "wg", device.interface),
            env=dict(device.environment(), LOG_LEVEL=level),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    assert command.wait(START_SECONDS) == 0 and device.answers()
    device.host.namespace.ip(f"link delete {device.interface}")
    wait_for(lambda: not os.path.exists(device.socket), END_SECONDS, "the daemon to end")
    if is_heard:
        wait_for(lambda: "interface-gone" in device.log(), END_SECONDS, "its last word")
    else:
        assert device.log() == ""


def test_two_that_are_started_at_once_are_one(device):
    """One gets the interface, the other one line of refusal; nobody takes the socket of the other."""
    commands = [
        device.host.spawn(binary(), "wg", device.interface, env=device.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [command.communicate(timeout=START_SECONDS)[1] for command in commands]
    assert sorted(command.returncode for command in commands) == [0, 1, 1, 1], said
    assert all(text.count("\n") == 1 for text in said if text)
    assert device.answers()
    os.unlink(device.socket)
    wait_for(lambda: device.host.run("ip", "link", "show", device.interface, check=False).returncode, END_SECONDS, "its end")
