"""status, ping, down and trust against a daemon made of a few lines: what they ask, and what they say. No root."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WAYLEAVE = os.environ.get("WAYLEAVE") or os.path.join(ROOT, "build", "src", "cmd", "wayleave")

STATUS = {
    "interface": "wl0",
    "name": "a",
    "public_key": "KEY",
    "addresses": ["100.100.96.2/32"],
    "device": "builtin",
    "map_age_s": 2.0,
    "hub": {
        "name": "nest",
        "addresses": ["100.100.96.1/32"],
        "connected": True,
        "carrier": "udp",
        "endpoint": "203.0.113.10:51820",
        "rtt_ms": 1.2,
    },
    "peers": [
        {
            "name": "b\x1b[31m",
            "public_key": "B",
            "addresses": ["100.100.96.3/32"],
            "online": True,
            "path": {"rung": "direct-punched", "carrier": "udp", "endpoint": "198.51.100.102:51820", "rtt_ms": 40.1},
            "last_handshake_s": 3.1,
            "rx_bytes": 1024,
            "tx_bytes": 1,
        }
    ],
}


class Daemon(threading.Thread):
    """Answers each connection with the lines of answers[i]; without an end if cut is set."""

    def __init__(self, folder, *answers, cut=False):
        super().__init__(daemon=True)
        self.folder, self.answers, self.cut, self.requests = folder, answers, cut, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(folder / "wl0.sock"))
        self.socket.listen()
        self.socket.settimeout(20)
        self.start()

    def run(self):
        for lines in self.answers:
            connection, _ = self.socket.accept()
            # A client that has heard enough hangs up.
            with contextlib.suppress(BrokenPipeError), connection, connection.makefile("rw") as file:
                self.requests.append(json.loads(file.readline()))
                for line in lines:
                    file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
                    file.flush()
                if not self.cut:
                    file.write("\n")
                    file.flush()

    def ask(self, *words, **options):
        environment = dict(os.environ, WAYLEAVE_RUN_DIR=str(self.folder))
        return subprocess.run(
            [WAYLEAVE, *words], capture_output=True, text=True, timeout=20, env=environment, **options
        )


def test_status_is_a_table_without_colour_in_a_pipe(tmp_path):
    daemon = Daemon(tmp_path, [STATUS])
    done = daemon.ask("status")
    assert daemon.requests == [{"command": "status"}]
    assert done.returncode == 0 and done.stderr == ""
    assert "hub      nest (100.100.96.1), connected over udp to 203.0.113.10:51820, 1.20 ms" in done.stdout
    assert "direct-punched  198.51.100.102:51820  40.1 ms" in done.stdout
    assert "\x1b" not in done.stdout and "b\\x1b[31m" in done.stdout


def test_status_json_is_what_the_daemon_said(tmp_path):
    done = Daemon(tmp_path, [STATUS]).ask("status", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == STATUS


def test_watch_goes_on_until_the_daemon_ends(tmp_path):
    later = json.loads(json.dumps(STATUS))
    later["peers"][0]["rx_bytes"] += 200 << 10
    daemon = Daemon(tmp_path, [STATUS], [later], [{"error": "enough"}])
    done = daemon.ask("status", "--watch")
    assert len(daemon.requests) == 3
    first, second = done.stdout.split("wl0: a, ")[1:]
    assert "1.00 KiB  1 B" in first and "/s" not in first
    assert "KiB/s  0 B/s" in second
    assert done.returncode == 1 and done.stderr == "wayleave: enough\n"


def test_watch_with_json_is_one_object_a_line(tmp_path):
    done = Daemon(tmp_path, [STATUS], [STATUS], [{"error": "enough"}]).ask("status", "-wj")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [STATUS, STATUS]


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '{"a": 1, "a": 2}'], ids=range(5))
def test_nonsense_is_said_to_be_nonsense(tmp_path, line):
    done = Daemon(tmp_path, [line or "null"]).ask("status")
    assert done.returncode == 1
    assert done.stdout == "" and done.stderr == "wayleave: the daemon's answer makes no sense\n"


def test_an_answer_that_was_cut_off_is_no_answer(tmp_path):
    done = Daemon(tmp_path, [STATUS], cut=True).ask("status")
    assert done.returncode == 1
    assert done.stdout == "" and done.stderr == "wayleave: the daemon of wl0 ended before it had answered\n"


def test_an_error_of_the_daemon_is_escaped(tmp_path):
    done = Daemon(tmp_path, [{"error": "no\x1b[2J"}]).ask("trust", "b")
    assert done.returncode == 1
    assert done.stderr == "wayleave: no\\x1b[2J\n"


def answer(sequence, rung="direct-punched"):
    path = {"rung": rung, "carrier": "udp", "endpoint": "198.51.100.102:51820"}
    return {"from": "b", "seq": sequence, "rtt_ms": 40.0, "path": path}


def test_ping_says_the_path_of_each_answer(tmp_path):
    daemon = Daemon(
        tmp_path, [{"error": "no path yet"}, answer(2), answer(3), {"end": True, "sent": 3, "received": 2}]
    )
    done = daemon.ask("ping", "b", "-c", "3")
    assert daemon.requests == [{"command": "ping", "node": "b", "count": 3, "until_direct": False}]
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "b: no path yet",
        "b: answer 2 in 40.0 ms, direct-punched at 198.51.100.102:51820",
        "b: answer 3 in 40.0 ms, direct-punched at 198.51.100.102:51820",
        "b: 3 sent, 2 received, 33 % lost; least 40.0 ms, mean 40.0 ms, most 40.0 ms",
    ]


@pytest.mark.parametrize("rung, status", [("direct", 0), ("direct-lan", 0), ("hub-relay", 1)])
def test_until_direct_fails_without_a_direct_path(tmp_path, rung, status):
    daemon = Daemon(tmp_path, [answer(1, rung), {"end": True, "sent": 1, "received": 1}])
    assert daemon.ask("ping", "--until-direct", "b").returncode == status
    assert daemon.requests[0]["until_direct"] is True


def test_ping_without_an_answer_fails(tmp_path):
    daemon = Daemon(tmp_path, [{"error": "no answer"}, {"end": True, "sent": 1, "received": 0}])
    assert daemon.ask("ping", "b", "-c1").returncode == 1


def test_ping_of_an_unknown_node_fails(tmp_path):
    done = Daemon(tmp_path, [{"error": "no such node; `wayleave status` lists them"}]).ask("ping", "x")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "wayleave: no such node; `wayleave status` lists them\n"


@pytest.mark.parametrize("count", ["0", "-1", "x", "1000000", ""])
def test_a_wrong_count_is_a_usage_error(tmp_path, count):
    environment = dict(os.environ, WAYLEAVE_RUN_DIR=str(tmp_path))
    done = subprocess.run([WAYLEAVE, "ping", "b", f"--count={count}"], capture_output=True, text=True, env=environment)
    assert done.returncode == 2


def test_an_interrupted_ping_still_sums_up(tmp_path):
    daemon = Daemon(tmp_path)
    environment = dict(os.environ, WAYLEAVE_RUN_DIR=str(tmp_path))
    process = subprocess.Popen([WAYLEAVE, "ping", "b"], stdout=subprocess.PIPE, text=True, env=environment)
    connection, _ = daemon.socket.accept()
    with connection:
        connection.sendall(json.dumps(answer(1)).encode() + b"\n")
        assert "answer 1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        # The signal may come just before it waits; then the next line ends it.
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(b'{"error": "no answer"}\n')
        assert "1 sent, 1 received" in process.stdout.read()
    assert process.wait(timeout=10) == 0


def test_down_waits_for_the_process_to_end(tmp_path):
    with subprocess.Popen(["sleep", "600"]) as other:
        daemon = Daemon(tmp_path, [{"ok": True, "pid": other.pid}])
        environment = dict(os.environ, WAYLEAVE_RUN_DIR=str(tmp_path))
        process = subprocess.Popen([WAYLEAVE, "down"], env=environment)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        other.kill()
        assert process.wait(timeout=10) == 0
    assert daemon.requests == [{"command": "down"}]


def test_trust_names_the_node(tmp_path):
    daemon = Daemon(tmp_path, [{"ok": True}])
    assert daemon.ask("trust", "b").returncode == 0
    assert daemon.requests == [{"command": "trust", "node": "b"}]
