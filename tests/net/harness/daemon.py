"""Wayleave's daemons in a host: a hub, a node. Each has its own folders and its own interface name."""

import functools
import glob
import json
import os
import shlex
import signal
import subprocess

from .disk import small_disk
from .wait import wait_for

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
COMMAND_SECONDS = 20
START_SECONDS = 10
CONNECT_SECONDS = 10

DIRECT = "direct-lan", "direct", "direct-punched"

MESH = "100.100.96.1/24"
PORT = 51820


def binary():
    """The program under test: $WAYLEAVE, or what was built last."""
    chosen = os.environ.get("WAYLEAVE")
    built = glob.glob(os.path.join(ROOT, "build*", "src", "cmd", "wayleave"))
    if chosen:
        return os.path.abspath(chosen)
    assert built, "no wayleave was built, and WAYLEAVE does not name one"
    return max(built, key=os.path.getmtime)


class Daemon:
    """One instance: what hub and node have in common. process is None while it does not run."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.interface = host.network.run.interface_name(name)
        self.folder = os.path.join(host.network.folder, name)
        self.config, self.state, self.sockets = (
            os.path.join(self.folder, part) for part in ("config", "state", "run")
        )
        self.log_path = os.path.join(self.folder, "log")
        self.program = binary()
        for folder in self.folder, self.config, self.state, self.sockets:
            os.mkdir(folder, 0o755)
        self.process = None
        host.network.daemons.append(self)

    def environment(self):
        return dict(
            os.environ,
            WAYLEAVE_CONFIG_DIR=self.config,
            WAYLEAVE_STATE_DIR=self.state,
            WAYLEAVE_RUN_DIR=self.sockets,
        )

    def command(self, *words, check=True, **options):
        """`wayleave` with these words, to its end."""
        options.setdefault("timeout", COMMAND_SECONDS)
        done = subprocess.run(
            self.host.namespace.argv(self.program, *words),
            env=self.environment(),
            text=True,
            capture_output=True,
            **options,
        )
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"
            raise AssertionError(f"wayleave {shlex.join(words)}: exit {done.returncode}\n{said}")
        return done

    def spawn(self, *words, stdin=subprocess.DEVNULL, wrapper=()):
        """`wayleave` with these words in the background, its output appended to the log. wrapper: a
        command in front of it that replaces itself, such as setpriv."""
        with open(self.log_path, "ab") as log:
            return self.host.spawn(
                *wrapper,
                self.program,
                *words,
                env=self.environment(),
                stdin=stdin,
                stdout=log,
                stderr=log,
            )

    def log(self):
        """What it said, in the foreground and in the background."""
        said = []
        for path in self.log_path, os.path.join(self.state, self.interface + ".log"):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    said.append(file.read())
        return "".join(said)

    def kill(self):
        """kill -9: no farewell, no cleaning."""
        self._end(signal.SIGKILL)

    def stop(self):
        """SIGTERM, as a service manager does."""
        return self._end(signal.SIGTERM)

    def _end(self, sign):
        process, self.process = self.process, None
        process.send_signal(sign)
        return process.wait(timeout=START_SECONDS)

    def small_state_disk(self, size):
        """While it does not run: its state is on a small disk until the block ends."""
        return small_disk(self.state, size)

    def has_interface(self):
        return self.host.run("ip", "link", "show", self.interface, check=False).returncode == 0


class Hub(Daemon):
    """A hub on a public host, initialised and running."""

    def __init__(self, host, address=MESH, settings="", name="hub", options=()):
        super().__init__(host, name)
        self._options = options
        self.endpoint = endpoint(host.public or host.public6, PORT)
        addresses = [word for one in address.split() for word in ("--address", one)]
        self.command("hub", "init", *addresses, "--endpoint", self.endpoint)
        self.address = address.split()[0].split("/")[0]
        self._set(settings)
        self.start()

    def start(self):
        self.process = self.spawn("hub", "run", "-i", self.interface, *self._options)
        wait_for(self.is_answering, START_SECONDS, "the hub to answer")

    def is_answering(self):
        assert self.process.poll() is None, f"the hub ended with {self.process.returncode}"
        return self.has_interface() and self.hub("node", "list", check=False).returncode == 0

    def hub(self, *words, **options):
        """`wayleave hub` with these words."""
        return self.command("hub", *words, **options)

    def token(self, *options):
        """A join string, as people get it."""
        return self.hub("token", "create", *options).stdout.strip().splitlines()[-1]

    def node(self, host, name=None, **options):
        """A node on that host, joined and connected."""
        node = Node(host, name or host.name)
        node.join(self.token(), **options)
        return node

    def _set(self, settings):
        """Lines for hub.conf's [Hub] section, in place of those with the same keys."""
        path = os.path.join(self.config, "hub.conf")
        keys = {line.split("=")[0].strip() for line in settings.splitlines()}
        with open(path, encoding="utf-8") as file:
            kept = [line for line in file.readlines() if line.split("=")[0].strip() not in keys]
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(kept).replace("[Hub]\n", f"[Hub]\n{settings}\n", 1))


class Node(Daemon):
    """A node on a host."""

    def join(self, token, is_awaited=True, options=()):
        """`wayleave up - --foreground` with the join string on stdin."""
        self.process = self.spawn(
            *("up", "-", "-i", self.interface, "--name", self.name, "--foreground", *options),
            stdin=subprocess.PIPE,
        )
        self.process.stdin.write(token.encode() + b"\n")
        self.process.stdin.close()
        if is_awaited:
            self.await_hub()

    def up(self, is_awaited=True):
        """`wayleave up --foreground`, when it has joined before."""
        self.process = self.spawn("up", "-i", self.interface, "--foreground")
        if is_awaited:
            self.await_hub()

    def down(self):
        self.command("down", "-i", self.interface)
        if self.process:
            self.process.wait(timeout=START_SECONDS)
            self.process = None

    def await_hub(self):
        wait_for(self.is_connected, CONNECT_SECONDS, f"{self.name} to be connected to the hub")

    def status(self):
        """`wayleave status --json` as a dictionary; None while nobody answers."""
        done = self.command("status", "-i", self.interface, "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def is_connected(self):
        if self.process:
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
        status = self.status()
        return status and status["hub"]["connected"]

    @functools.cached_property
    def address(self):
        """Its first mesh address."""
        return self.status()["addresses"][0].split("/")[0]

    @functools.cached_property
    def address6(self):
        """Its first IPv6 mesh address."""
        addresses = [address.split("/")[0] for address in self.status()["addresses"]]
        return next(address for address in addresses if ":" in address)

    def peers(self):
        status = self.status()
        return {peer["name"]: peer for peer in status["peers"]} if status else {}

    def peer(self, other):
        """What it knows of another Node; None when it does not know it."""
        return next((peer for peer in self.peers().values() if peer["public_key"] == other.key), None)

    @functools.cached_property
    def key(self):
        return self.status()["public_key"]

    def rung_to(self, other):
        peer = self.peer(other)
        return peer["path"]["rung"] if peer else None

    def is_direct_to(self, other):
        return self.rung_to(other) in DIRECT

    def endpoint_of(self, other):
        peer = self.peer(other)
        return peer["path"].get("endpoint") if peer else None


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
