"""wayleave hub on a machine where it does not run: init, nodes, tokens, the log. No root, no network."""

import base64
import concurrent.futures
import ctypes.util
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WAYLEAVE = os.environ.get("WAYLEAVE") or os.path.join(ROOT, "build", "src", "cmd", "wayleave")

POOL = "100.100.96.1/24"
ENDPOINT = "203.0.113.10:51820"


class Hub:
    def __init__(self, folder):
        self.config, self.state, self.run = (str(folder / name) for name in ("config", "state", "run"))
        self.environment = dict(
            os.environ,
            WAYLEAVE_CONFIG_DIR=self.config,
            WAYLEAVE_STATE_DIR=self.state,
            WAYLEAVE_RUN_DIR=self.run,
            TZ="UTC",
        )
        self.conf = os.path.join(self.config, "hub.conf")
        self.database = os.path.join(self.state, "hub.db")

    def start(self, *words, **options):
        return subprocess.Popen(
            [WAYLEAVE, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def wayleave(self, *words, check=0, **options):
        done = subprocess.run(
            [WAYLEAVE, *words], env=self.environment, capture_output=True, text=True, timeout=30, **options
        )
        assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        if check == 1:
            assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
            assert done.stderr.startswith("wayleave: ")
        return done

    def __call__(self, *words, **options):
        """What `wayleave hub` with these words prints."""
        return self.wayleave("hub", *words, **options).stdout

    def refused(self, *words, status=1, **options):
        """What it says when it fails."""
        return self.wayleave("hub", *words, check=status, **options).stderr

    def json(self, *words):
        return json.loads(self(*words, "--json"))

    def init(self, *addresses):
        words = [word for address in addresses or (POOL,) for word in ("--address", address)]
        return self("init", *words, "--endpoint", ENDPOINT)

    def names(self):
        return [node["name"] for node in self.json("node", "list")["nodes"]]

    def files(self):
        return sorted(os.listdir(self.config)) + sorted(os.listdir(self.state))


@pytest.fixture
def empty(tmp_path):
    return Hub(tmp_path)


@pytest.fixture
def hub(empty):
    empty.init()
    return empty


def keys(count):
    """Public keys; some with '/' and '+' in them."""
    made = []
    while len(made) < count:
        private = subprocess.run([WAYLEAVE, "key", "generate"], capture_output=True, check=True).stdout
        public = subprocess.run([WAYLEAVE, "key", "public"], input=private, capture_output=True, check=True).stdout
        made.append(public.decode().strip())
    return made


def new_key():
    return keys(1)[0]


# ---- init ----


def test_init_makes_a_hub_and_says_what_is_next(empty):
    said = empty.init(POOL, "fd00:96::1/64")
    key = re.search(r"Public key: +(\S+)", said)[1]
    with open(empty.conf, encoding="utf-8") as file:
        conf = file.read()
    private = re.search(r"PrivateKey = (\S+)", conf)[1]
    public = empty.wayleave("key", "public", input=private).stdout.strip()
    assert public == key and private not in said
    assert "hub run" in said and "token create" in said
    assert f"Endpoint = {ENDPOINT}" in conf and f"Address = {POOL}" in conf
    for path in empty.conf, empty.database:
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(empty.state).st_mode & 0o777 == 0o700
    assert base64.b64decode(private) not in open(empty.database, "rb").read()
    assert empty.files() == ["hub.conf", "hub.db", "hub.lock"]


def test_init_overwrites_nothing(hub):
    before = open(hub.conf).read(), open(hub.database, "rb").read()
    assert hub.conf in hub.refused("init", "--address", "10.0.0.1/8", "--endpoint", "x")
    assert before == (open(hub.conf).read(), open(hub.database, "rb").read())


@pytest.mark.parametrize(
    "words",
    [
        ("--endpoint", "x"),
        ("--address", POOL),
        ("--address", "100.100.96.1", "--endpoint", "x"),
        ("--address", POOL, "--address", "100.100.96.77/25", "--endpoint", "x:y"),
        ("--address", POOL, "--endpoint", "a b"),
        ("--address", POOL, "--endpoint", "x", "--name", "Big Hub"),
        ("--address", POOL, "--endpoint", "x", "--listen-port", "70000"),
        ("--address", POOL, "--endpoint", "x", "surplus"),
    ],
)
def test_init_explains_what_it_wants(empty, words):
    said = empty.refused("init", *words, status=2)
    assert "hub init" in said and not os.path.exists(empty.conf)


@pytest.mark.parametrize("address", ["10.0.0.0/24", "10.0.0.255/24", "fd00::/64"])
def test_init_wants_an_address_of_a_host(empty, address):
    assert "the network's own" in empty.refused("init", "--address", address, "--endpoint", "x")
    assert empty.files() == ["hub.lock"]


def test_networks_do_not_overlap(empty):
    empty.refused("init", "--address", "10.0.0.1/8", "--address", "10.1.0.1/16", "--endpoint", "x")
    assert empty.files() == ["hub.lock"]


def test_an_init_that_was_interrupted_can_be_repeated(empty):
    empty.init()
    os.unlink(empty.conf)  # the registry comes first, hub.conf last
    first = open(empty.database, "rb").read()
    empty.init()
    assert open(empty.database, "rb").read() != first
    assert empty.names() == []


def test_a_registry_in_use_is_not_thrown_away_by_init(hub):
    hub("node", "add", new_key())
    os.unlink(hub.conf)
    said = hub.refused("init", "--address", POOL, "--endpoint", ENDPOINT)
    assert hub.database in said and "put hub.conf back" in said
    assert os.path.exists(hub.database) and not os.path.exists(hub.conf)


def limit_files(size):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [0, 100, 4096, 20000, 60000])
def test_init_on_a_full_disk_leaves_nothing(empty, size):
    said = empty.refused("init", "--address", POOL, "--endpoint", ENDPOINT, preexec_fn=limit_files(size))
    assert "space" in said or "large" in said
    assert [name for name in empty.files() if name != "hub.lock"] == []
    empty.init()


def test_init_killed_at_any_moment_can_be_repeated(empty):
    for delay in range(0, 30):
        process = empty.start("hub", "init", "--address", POOL, "--endpoint", ENDPOINT)
        try:
            process.wait(timeout=delay / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if os.path.exists(empty.conf):
            assert empty.names() == []
        else:
            empty.init()
        shutil.rmtree(empty.config)
        shutil.rmtree(empty.state)


# ---- without a hub ----


@pytest.mark.parametrize("words", [("node", "list"), ("token", "create"), ("run",), ("log",), ("restore",)])
def test_without_a_hub_every_command_says_how_to_make_one(empty, words):
    assert "hub init" in empty.refused(*words)


def test_without_hub_conf_the_registry_is_no_use(hub):
    os.unlink(hub.conf)
    assert hub.conf in hub.refused("node", "list")


def test_bad_config_lines_are_named(hub):
    with open(hub.conf, "a", encoding="utf-8") as file:
        file.write("Nmae = x\n")
    said = hub.refused("node", "list")
    assert re.search(r"hub\.conf:\d+: .*Nmae.*'Name'", said)


def test_files_that_others_may_read_are_refused(hub):
    for path in hub.conf, hub.database:
        os.chmod(path, 0o644)
        said = hub.refused("node", "list")
        assert path in said and "chmod 600" in said
        os.chmod(path, 0o600)
    assert hub.names() == []


def test_a_registry_from_the_future_is_refused(hub):
    with sqlite3.connect(hub.database) as database:
        database.execute("PRAGMA user_version = 99")
    said = hub.refused("node", "add", new_key())
    assert hub.database in said and "newer wayleave" in said


def test_a_registry_of_somebody_else_is_refused(hub):
    os.unlink(hub.database)
    with open(hub.database, "wb") as file:
        file.write(b"not a database at all" * 1000)
    os.chmod(hub.database, 0o600)
    assert "not a wayleave registry" in hub.refused("token", "list")


# ---- nodes ----


def test_an_added_node_gets_a_config_that_is_complete_but_for_its_key(hub):
    text = hub("node", "add", new_key(), "--name", "laptop")
    private = hub.wayleave("key", "generate").stdout.strip()
    assert "PrivateKey = PRIVATE-KEY-OF-laptop\n" in text
    path = os.path.join(hub.config, "node.conf")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    section = dict(re.findall(r"^(\w+) = (.*)$", text.split("[Hub]")[1], re.M))
    assert section["Endpoint"] == ENDPOINT and section["Address"] == "100.100.96.1"
    assert len(base64.b64decode(section["Network"])) == 16
    assert len(base64.b64decode(section["SiteSecret"])) == 32
    assert "Address = 100.100.96.2/24\n" in text.split("[Hub]")[0]
    assert private not in text


def test_the_hubs_settings_reach_a_new_node(empty):
    empty("init", "-a", "10.7.0.1/16", "-a", "fd07::1/64", "-e", "hub.example.org", "-e", "[2001:db8::1]:99", "-p", "443")
    text = empty("node", "add", new_key())
    assert "Endpoint = hub.example.org:443\nEndpoint = [2001:db8::1]:99\n" in text
    assert "Address = 10.7.0.2/16\nAddress = fd07::2/64\n" in text
    assert "Address = 10.7.0.1\nAddress = fd07::1\n" in text


def test_yaml_has_kurohabakis_shape(hub):
    key = re.search(r"PublicKey = (\S+)", hub("node", "add", new_key()))[1]
    assert hub("node", "add", new_key(), "--format", "yaml") == (
        "# Client YAML configuration\n"
        "interface:\n"
        "    private_key: <YOUR_PRIVATE_KEY_HERE>\n"
        "    address: 100.100.96.3/32\n"
        "    dns: 100.100.96.1\n"
        "    routes:\n"
        "        - 100.100.96.0/24\n"
        "peer:\n"
        f"    public_key: {key}\n"
        f"    endpoint: {ENDPOINT}\n"
        "    allowed_ips: 100.100.96.1/32\n"
        "    persistent_keepalive: 5\n"
        "# For the shape only: wayleave's hub runs no etcd.\n"
        "etcd:\n"
        "    endpoint: 100.100.96.1:2379\n"
    )


def test_nodes_are_found_by_name_address_key_and_its_beginning(hub):
    made = keys(30)
    assert any("/" in key for key in made) and any("+" in key for key in made)
    for number, key in enumerate(made):
        hub("node", "add", key, "--name", f"n{number}")
    for number, key in enumerate(made):
        for reference in f"n{number}", key, key[:12], f"100.100.96.{number + 2}":
            assert hub.json("node", "show", reference)["node"]["name"] == f"n{number}"
    assert "n7" in hub("node", "show", "n7") and made[7] in hub("node", "show", "n7")
    assert "no node" in hub.refused("node", "show", "n99")
    assert "no node" in hub.refused("node", "show", "\033[31m")


def test_the_list_has_a_line_for_each_node(hub):
    made = keys(3)
    for number, key in enumerate(made):
        hub("node", "add", key, "--name", "abc"[number])
    lines = hub("node", "list").splitlines()
    assert len(lines) == 4 and lines[0].split()[0] == "NAME"
    assert re.fullmatch(rf"b +100\.100\.96\.3 +never +- +{re.escape(made[1])}", lines[2])
    listed = hub.json("node", "list")
    assert listed["malformed"] == []
    assert listed["nodes"][0] == {
        "name": "a",
        "public_key": made[0],
        "addresses": ["100.100.96.2/24"],
        "created": listed["nodes"][0]["created"],
        "last_seen": None,
        "endpoint": None,
    }


def test_rename_and_remove(hub):
    key = new_key()
    hub("node", "add", key, "--name", "a")
    assert hub("node", "rename", "a", "b") == f"renamed a to b (100.100.96.2, {key})\n"
    assert "'B' is no name" in hub.refused("node", "rename", "b", "B")
    assert hub("node", "remove", key) == f"removed b (100.100.96.2, {key})\n"
    assert hub.names() == []
    assert "--force" in hub.refused("node", "add", key)
    hub("node", "add", key, "--force", "--name", "again")
    assert hub.names() == ["again"]


def test_refusals_name_the_thing(hub):
    key, other = keys(2)
    hub("node", "add", key, "--name", "a")
    assert "member already: a" in hub.refused("node", "add", key)
    assert "'a' is taken" in hub.refused("node", "add", other, "--name", "a")
    assert "100.100.96.2 is taken by a" in hub.refused("node", "add", other, "--address", "100.100.96.2")
    assert "10.1.1.1 is outside" in hub.refused("node", "add", other, "--address", "10.1.1.1")
    assert "public key" in hub.refused("node", "add", "nonsense")
    assert "hub's own name" in hub.refused("node", "add", other, "--name", "hub")
    assert "ini or yaml" in hub.refused("node", "add", other, "--format", "json", status=2)
    hub.refused("node", "add", status=2)
    hub.refused("node", "remove", status=2)
    assert hub.names() == ["a"]


def test_malformed_records_are_told_and_the_others_listed(hub):
    made = keys(2)
    hub("node", "add", made[0], "--name", "good")
    hub("node", "add", made[1], "--name", "bad")
    with sqlite3.connect(hub.database) as database:
        database.execute("UPDATE node SET name = 'b' || char(27) || '[31m' WHERE name = 'bad'")
    done = hub.wayleave("hub", "node", "list")
    assert "good" in done.stdout and "\033" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and "\\x1b" in done.stderr
    hub("node", "remove", made[1])
    assert hub.wayleave("hub", "node", "list").stderr == ""


def test_an_edited_config_takes_effect(hub):
    hub("node", "add", new_key(), "--name", "a")
    with open(hub.conf, encoding="utf-8") as file:
        text = file.read()
    with open(hub.conf, "w", encoding="utf-8") as file:
        file.write(text.replace(POOL, POOL + "\nAddress = fd00:96::1/64"))
    assert hub.json("node", "show", "a")["node"]["addresses"] == ["100.100.96.2/24", "fd00:96::2/64"]
    with open(hub.conf, "w", encoding="utf-8") as file:
        file.write(text.replace(POOL, "10.0.0.1/24"))
    assert "hub.conf" in hub.refused("node", "list")


def test_administrators_at_once_never_get_one_address(hub):
    made = keys(24)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: hub("node", "add", key), made))
    nodes = hub.json("node", "list")["nodes"]
    assert len({node["addresses"][0] for node in nodes}) == len({node["name"] for node in nodes}) == 24


def test_a_locked_registry_is_waited_for_and_then_told(hub):
    with open(os.path.join(hub.state, "hub.lock"), "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        waiting = hub.start("hub", "node", "add", new_key())
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=0.7)
        fcntl.lockf(lock, fcntl.LOCK_UN)
        assert waiting.wait(timeout=10) == 0
        waiting.communicate()
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert "try again" in hub.refused("node", "list")


def test_a_full_disk_changes_nothing(hub):
    hub("node", "add", new_key(), "--name", "a")
    said = hub.refused("node", "add", new_key(), "--name", "b", preexec_fn=limit_files(0))
    assert "space" in said or "large" in said
    assert hub.names() == ["a"]
    hub("node", "add", new_key(), "--name", "b")


def test_output_that_cannot_be_written_is_a_failure(hub):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [WAYLEAVE, "hub", "node", "list"],
            env=hub.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=10,
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1


# ---- QR ----

needs_qrencode = pytest.mark.skipif(not ctypes.util.find_library("qrencode"), reason="libqrencode is not installed")
needs_zbar = pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg (zbar-tools) is not installed")


def picture_of(text):
    """The half blocks as a PBM picture, four pixels a module; the terminal is dark, blocks are light."""
    rows = []
    for line in text.splitlines():
        rows.append("".join("0" if c in "\u2588\u2580" else "1" for c in line))
        rows.append("".join("0" if c in "\u2588\u2584" else "1" for c in line))
    width, scale = len(rows[0]), 4
    assert all(len(row) == width for row in rows)
    scaled = [" ".join(bit for bit in row for _ in range(scale)) for row in rows for _ in range(scale)]
    return f"P1\n{width * scale} {len(scaled)}\n" + "\n".join(scaled) + "\n"


@needs_qrencode
@needs_zbar
def test_the_qr_picture_holds_the_config(hub, tmp_path):
    shown = hub("node", "add", new_key(), "--name", "phone", "--qr")
    path = tmp_path / "picture.pbm"
    path.write_text(picture_of(shown))
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)], capture_output=True, text=True
    )
    node = "[Interface]\nPrivateKey = PRIVATE-KEY-OF-phone\nAddress = 100.100.96.2/24\n"
    assert node in done.stdout and f"Endpoint = {ENDPOINT}\n" in done.stdout
    assert done.stdout.startswith("# phone:") and "PersistentKeepalive = 25" in done.stdout


@pytest.mark.skipif(ctypes.util.find_library("qrencode") is not None, reason="libqrencode is installed")
def test_without_libqrencode_nothing_is_added(hub):
    assert "libqrencode" in hub.refused("node", "add", new_key(), "--qr")
    assert hub.names() == []


# ---- tokens ----


def test_a_token_is_one_line(hub):
    done = hub.wayleave("hub", "token", "create")
    assert re.fullmatch(r"wl1:[A-Za-z0-9_-]+\n", done.stdout) and done.stderr == ""
    raw = base64.urlsafe_b64decode(done.stdout.strip()[4:] + "==")
    token = raw[88:104]
    for name in os.listdir(hub.state):
        with open(os.path.join(hub.state, name), "rb") as file:
            content = file.read()
        assert token not in content and token.hex().encode() not in content
    assert ENDPOINT.encode() in raw


def test_tokens_are_listed_and_revoked(hub):
    once = hub.json("token", "create")["token"]
    office = hub.json("token", "create", "--reusable", "--expires", "24h", "--label", "office")["token"]
    assert once["expires"] - once["created"] == 3600 and not once["reusable"]
    assert office["expires"] - office["created"] == 86400 and office["reusable"]
    listed = hub.json("token", "list")["tokens"]
    assert [token["id"] for token in listed] == [once["id"], office["id"]]
    assert hub("token", "revoke", office["id"]) == f"revoked {office['id']}\n"
    lines = hub("token", "list").splitlines()
    assert re.match(rf"{once['id']} +good +once +0 ", lines[1])
    assert re.match(rf"{office['id']} +revoked +reusable +0 .* office$", lines[2])
    assert "no token" in hub.refused("token", "revoke", "0123456789abcdef")
    assert "16 hexadecimal" in hub.refused("token", "revoke", "x")
    for expires in "soon", "0", "-1":
        hub.refused("token", "create", "--expires", expires, status=2)
    hub.refused("token", "create", "--expires", "36500d")


def test_a_restored_registry_begins_anew_and_ends_all_tokens(hub):
    hub("node", "add", new_key(), "--name", "a")
    hub("token", "create")
    assert "remove who should not" in hub("restore")
    (token,) = hub.json("token", "list")["tokens"]
    assert token["revoked"] and hub.names() == ["a"]
    assert hub.json("log")["events"][-1]["event"] == "restore"


def test_what_a_running_hub_counts_is_in_no_registry(hub):
    assert "not running" in hub.refused("status")


def test_the_log_tells_the_story(hub):
    key = new_key()
    hub("node", "add", key, "--name", "a")
    hub("node", "rename", "a", "b")
    token = hub.json("token", "create", "--label", "office")["token"]["id"]
    hub("token", "revoke", token)
    hub("node", "remove", "b")
    events = hub.json("log")["events"]
    assert [(event["event"], event["name"]) for event in events] == [
        ("add", "a"),
        ("rename", "b"),
        ("token-create", "office"),
        ("token-revoke", "office"),
        ("remove", "b"),
    ]
    assert events[2]["token"] == token and events[0]["public_key"] == key
    assert len(hub("log").splitlines()) == 6


def test_arguments_that_are_no_text_are_refused(hub):
    for words in (
        ("node", "show", b"\xff"),
        ("node", "add", new_key(), "--name", b"\xff"),
        ("node", "add", new_key(), "--address", b"\xff"),
        ("token", "create", "--label", b"\xff"),
    ):
        hub.refused(*words, status=2)
    assert hub.names() == [] and hub.json("token", "list")["tokens"] == []
