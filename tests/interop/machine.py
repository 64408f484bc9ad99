"""A virtual machine with Debian's kernel, for its WireGuard: qemu, busybox, wg(8) and nothing else.

It has two network cards, taps in a namespace of its own until plug() lends them to a host:

    host's eth0 ---bridge--- outer | machine: eth0 ... WireGuard "wg0" ... eth1 | wg0 --- host

Inside, eth0 has the host's address and wg0 is WireGuard. The host's wg0 is a cable to it: what the host sends there
leaves its eth0 sealed. So the host's namespace stays the place for captures and traffic."""

import base64
import glob
import json
import os
import select
import shutil
import subprocess

from harness import wait_for
from harness.namespace import Namespace
from packages import Unavailable, unpacked, unpacked_dependency

QEMU = "qemu-system-x86_64"
MEMORY = "256M"
# Name: seconds to boot, processor. A /dev/kvm may be there and not boot a kernel; where it does, that takes 2 s. An
# emulated processor is five times as fast without AVX; without RDRAND its kernel waits for randomness.
ACCELERATORS = {"kvm": (5, "max"), "tcg": (60, "qemu64,+rdrand")}
COMMAND_SECONDS = 20
MODULES = "virtio_pci", "virtio_net", "wireguard"
WG = "wg0"
OUTER, INNER = "outer", WG  # the taps
OUTER_STATION, INNER_STATION, IDLE_STATION = "02:00:00:ff:00:01", "02:00:00:ff:00:02", "02:00:00:ff:00:03"
INSIDE, INSIDE6 = "169.254.9.1", "fe80::9:1"  # of the machine, to the host's wg0
INNER_MTU = 1420
GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest.sh")


class Machine:
    """Booted at once. run: of the tests (harness.Run). Raises Unavailable when something for it is missing."""

    def __init__(self, run):
        if not shutil.which(QEMU):
            raise Unavailable(f"{QEMU} is not installed")
        self.host = None
        prefix, self._folder = run.next_network()
        kernel = unpacked_dependency("linux-image-cloud-amd64", "linux-image-*-cloud-amd64")
        initramfs = os.path.join(self._folder, "initramfs")
        with open(initramfs, "wb") as file:
            file.write(archive(_files(kernel, unpacked("busybox-static"))))
        (image,) = glob.glob(os.path.join(kernel, "boot", "vmlinuz-*"))
        self.namespace = Namespace(prefix + "machine")
        for card in OUTER, INNER:
            self.namespace.ip(f"tuntap add {card} mode tap vnet_hdr")
        self._boot(image, initramfs)

    def _boot(self, image, initramfs):
        for self.accelerator, (seconds, processor) in ACCELERATORS.items():
            self.process = self._start(image, initramfs, processor)
            if self._read_line(seconds) == b"ready":
                return
            self.close()
        raise AssertionError(f"the machine does not boot:\n{self.console()[-2000:]}")

    def _start(self, image, initramfs, processor):
        cards = []
        for name, station in (OUTER, OUTER_STATION), (INNER, INNER_STATION):
            cards += ["-netdev", f"tap,id={name},ifname={name},script=no,downscript=no,vnet_hdr=on"]
            cards += ["-device", f"virtio-net-pci,netdev={name},mac={station},romfile="]
        with open(self._console(), "wb") as console:
            return self.namespace.spawn(
                *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
                *("-accel", self.accelerator, "-cpu", processor, "-m", MEMORY),
                *("-kernel", image, "-initrd", initramfs),
                *("-append", "console=ttyS1 panic=-1 loglevel=5 random.trust_cpu=on"),
                *("-chardev", "stdio,id=requests,signal=off", "-serial", "chardev:requests"),
                *("-serial", f"file:{self._console()}"),
                *cards,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=console,
                bufsize=0,
            )

    def close(self):
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def plug(self, host):
        """Takes the place of the host on its eth0, and gives it a wg0. Until unplug()."""
        self.host, space = host, host.namespace
        for card in OUTER, INNER:
            self.namespace.ip(f"link set {card} netns {space.name}")
        space.ip(
            "link add bridge type bridge",
            f"link set {OUTER} master bridge up",
            "link set bridge up",
            f"link set {WG} mtu {INNER_MTU} up",
            f"neighbour replace {INSIDE} lladdr {INNER_STATION} dev {WG} nud permanent",
            f"neighbour replace {INSIDE6} lladdr {INNER_STATION} dev {WG} nud permanent",
        )
        self.shell(f"ip link set eth1 mtu {INNER_MTU} up; ip address add {INSIDE}/32 dev eth1")
        self.take_address()

    def unplug(self):
        """Before the host goes."""
        if self.host is None:
            return
        for card in OUTER, INNER:
            self.host.namespace.ip(f"link set {card} netns {self.namespace.name}")
        self.host = None
        cards = "for card in eth0 eth1; do ip address flush dev $card; ip link set $card down; done"
        self.shell(f"ip link delete {WG}; {cards}", check=False)

    def take_address(self):
        """What the host has on eth0, also after the host moved."""
        space = self.host.namespace
        (link,) = json.loads(space.run("ip", "-j", "address", "show", "eth0").stdout)
        lines = ["ip link set eth0 down", "ip address flush dev eth0", f"ip link set eth0 address {link['address']} up"]
        for address in link["addr_info"]:
            if address["scope"] == "global":
                lines += [f"ip address add {address['local']}/{address['prefixlen']} dev eth0"]
        for family in "-4", "-6":
            for route in json.loads(space.run("ip", "-j", family, "route", "show", "default").stdout):
                lines += [f"ip {family} route add default via {route['gateway']} dev eth0 onlink"]
        space.ip("address flush dev eth0", f"link set eth0 address {IDLE_STATION} master bridge")
        self.shell("set -e\n" + "\n".join(lines))

    def route_inside(self, addresses, networks):
        """The addresses are the host's, the networks are behind WireGuard."""
        for address, network, gateway in zip(addresses, networks, (INSIDE, INSIDE6)):
            self.host.namespace.ip(
                f"address replace {address} dev {WG}" + " nodad" * (":" in address),
                f"route replace {network} via {gateway} dev {WG} onlink src {address}",
            )
            self.shell(f"ip route replace {address} dev eth1 && ip route replace {network} dev {WG}")

    def console(self):
        """What its kernel said."""
        with open(self._console(), encoding="utf-8", errors="replace") as file:
            return file.read()

    def shell(self, script, check=True, input=""):
        """Runs the script to its end, with the input on stdin. The result is like subprocess.run's."""
        text = f"base64 -d <<'end' | {{\n{_encoded(input)}\nend\n{script}\n}}\n" if input else script + "\n"
        self.process.stdin.write(_encoded(text).encode() + b"\n")
        answer = self._read_line(COMMAND_SECONDS)
        assert answer is not None, f"the machine does not answer: {script}\n{self.console()[-2000:]}"
        code, output, errors = answer.split(b" ")
        texts = [base64.b64decode(part).decode() for part in (output, errors)]
        done = subprocess.CompletedProcess(script, int(code), *texts)
        assert done.returncode == 0 or not check, f"{script}: exit {code}\n{done.stdout}{done.stderr}"
        return done

    def _read_line(self, seconds):
        """None when it ended, or says nothing for so long."""
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                return None
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                return None
            line += part
        return line.rstrip(b"\n")

    def _console(self):
        return os.path.join(self._folder, "console")


def _encoded(text):
    return base64.b64encode(text.encode()).decode()


def _files(kernel, busybox):
    """Path in the machine: (mode, contents)."""
    program = os.path.join(busybox, "bin", "busybox")
    files = {"init": (0o755, _read(GUEST)), "bin/busybox": (0o755, _read(program))}
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        files.setdefault("bin/" + name, (0o120777, b"busybox"))
    wg = shutil.which("wg")
    for path in [wg, *_libraries(wg)]:
        name = "bin/wg" if path == wg else path.lstrip("/")
        files[name] = (0o755, _read(path))
    order = list(_in_order(kernel, MODULES))
    for module in order:
        files["modules/" + os.path.basename(module)] = (0o644, _read(module))
    files["modules/order"] = (0o644, "\n".join(map(os.path.basename, order)).encode())
    return files


def _libraries(program):
    """Paths of the libraries and the loader that it needs."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in listed.split() if word.startswith("/")]


def _in_order(kernel, names):
    """Paths of the modules, each after those that it needs."""
    paths = {}
    for path in glob.glob(os.path.join(kernel, "lib", "modules", "*", "kernel", "**", "*.ko"), recursive=True):
        paths[os.path.basename(path)[: -len(".ko")].replace("-", "_")] = path
    done = {}

    def load(name):
        if name in done or name not in paths:
            return
        contents = _read(paths[name])
        start = contents.find(b"\0depends=") + len(b"\0depends=")
        for needed in contents[start : contents.index(b"\0", start)].decode().split(","):
            load(needed.replace("-", "_"))
        done[name] = paths[name]

    for name in names:
        load(name)
    return done.values()


def archive(files):
    """A cpio archive as the kernel unpacks it (newc), with the folders that the files need."""
    folders = {os.path.dirname(name)[:length] for name in files for length in _slashes(os.path.dirname(name))}
    entries = {folder: (0o40755, b"") for folder in sorted(folders | {"proc", "sys", "dev", "tmp"})}
    entries.update((name, (mode if mode >> 12 else mode | 0o100000, data)) for name, (mode, data) in files.items())
    entries["TRAILER!!!"] = (0, b"")
    parts = []
    for number, (name, (mode, data)) in enumerate(entries.items(), 1):
        path = name.encode() + b"\0"
        fields = number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0
        header = b"070701" + "".join(f"{field:08X}" for field in fields).encode()
        parts += [_padded(header + path), _padded(data)]
    return b"".join(parts)


def _slashes(folder):
    """Lengths of the folder's path and of those above it."""
    return [place for place, letter in enumerate(folder) if letter == "/"] + [len(folder)] * bool(folder)


def _padded(data):
    return data + bytes(-len(data) % 4)


def _read(path):
    with open(path, "rb") as file:
        return file.read()
