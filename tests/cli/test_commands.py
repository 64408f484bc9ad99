"""The program as a person meets it without a daemon: help, errors, keys, completion, man pages. No root."""

import os
import re
import resource
import shutil
import subprocess
import time

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WAYLEAVE = os.environ.get("WAYLEAVE") or os.path.join(ROOT, "build", "src", "cmd", "wayleave")

MAN_PAGES = {
    "hub": "wayleave-hub.1",
    "up": "wayleave-up.1",
    "down": "wayleave-up.1",
    "status": "wayleave-status.1",
    "ping": "wayleave-status.1",
    "trust": "wayleave-status.1",
    "wg": "wayleave-wg.1",
    "key": "wayleave.1",
    "version": "wayleave.1",
}


def wayleave(*words, check=None, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    if "input" in options:
        del options["stdin"]
    done = subprocess.run([WAYLEAVE, *words], capture_output=True, text=True, timeout=20, **options)
    if check is not None:
        assert done.returncode == check, (done.stdout, done.stderr)
    return done


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


def listed(text):
    """The command names of a "Commands:" list."""
    _, _, tail = text.partition("\nCommands:\n")
    return re.findall(r"^  ([a-z-]+) ", tail, re.M)


def all_commands():
    """Every command line that has a help of its own: ("key",), ("key", "public"), .. to any depth."""
    found, waiting = [], [(name,) for name in listed(wayleave("--help", check=0).stdout)]
    while waiting:
        words = waiting.pop(0)
        found.append(words)
        if words != ("version",):
            text = wayleave(*words, "--help", check=0).stdout
            waiting += [words + (name,) for name in listed(text)]
    return found


COMMANDS = all_commands()


def options_of(words):
    """What the help's list of options defines."""
    if words == ("version",):
        return set()
    text = wayleave(*words, "--help").stdout
    return set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z][a-z-]+)", text, re.M))


def test_version_is_one_line():
    assert re.fullmatch(r"wayleave \d+\.\d+\.\d+\n", wayleave("--version", check=0).stdout)
    assert wayleave("version", check=0).stdout == wayleave("--version").stdout


def test_no_command_is_a_usage_error_that_lists_them():
    assert listed(wayleave(check=2).stderr) == listed(wayleave("--help").stdout)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words):
    if words == ("version",):
        return
    done = wayleave(*words, "--help", check=0)
    assert done.stdout.startswith("Usage: wayleave " + " ".join(words))
    assert "Example" in done.stdout
    assert done.stderr == ""
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_a_usage_error_in_one_line(words):
    done = wayleave(*words, "--nonsense")
    if words == ("version",) or listed(wayleave(*words, "--help").stdout):
        return
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--nonsense" in done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_man_page_knows_the_command_and_its_options(words):
    text = read("docs", "man", MAN_PAGES[words[0]] + ".scd").replace("\\", "")
    assert " ".join(words) in text
    for option in options_of(words):
        assert option in text, f"{option} of {words} is missing from {MAN_PAGES[words[0]]}"


@pytest.mark.parametrize("shell", ["wayleave.bash", "_wayleave", "wayleave.fish"])
def test_completion_knows_every_command_and_option(shell):
    text = read("data", "completion", shell)
    for words in COMMANDS:
        assert re.search(rf"(?<![\w-]){words[-1]}(?![\w-])", text), words
        for option in options_of(words):
            spelled = option if shell != "wayleave.fish" else f"-l {option[2:]}"
            assert re.search(rf"{spelled}(?![\w-])", text), f"{option} of {words}"


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_completes_commands_and_options():
    def complete(*words):
        script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wayleave; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(
            ["bash", "-c", script, os.path.join(ROOT, "data/completion/wayleave.bash"), *words],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert complete("wayleave", "ke") == ["key"]
    assert complete("wayleave", "key", "p") == ["public", "preshared"]
    assert complete("wayleave", "key", "public", "x", "") == []


def test_an_unknown_command_names_the_nearest():
    done = wayleave("kee", check=2)
    assert done.stderr == "wayleave: unknown command 'kee'; did you mean 'key'?; see wayleave --help\n"


def test_a_secret_in_the_wrong_place_is_not_repeated():
    secret = "wl1:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    for words in (secret,), ("key", secret), ("key", "public", "--" + secret), ("help", secret):
        done = wayleave(*words, check=2)
        assert "c2VjcmV0" not in done.stdout + done.stderr


def core_limit(process):
    with open(f"/proc/{process}/limits", encoding="utf-8") as file:
        return int(re.search(r"Max core file size +(\d+) ", file.read()).group(1))


def test_up_dumps_no_core_while_it_waits_for_the_join_string(tmp_path):
    """Until then it would, with the limit that it is started under."""

    def allow():
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))

    try:
        subprocess.run(["true"], preexec_fn=allow, check=True)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("core dumps are forbidden here anyway")
    environment = dict(os.environ, WAYLEAVE_CONFIG_DIR=str(tmp_path), WAYLEAVE_STATE_DIR=str(tmp_path))
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([WAYLEAVE, "up", "-"], env=environment, preexec_fn=allow, **pipes) as up:
        deadline = time.monotonic() + 10
        while core_limit(up.pid):
            assert time.monotonic() < deadline, "it would dump its memory"
            time.sleep(0.01)
        up.communicate(b"hello\n", timeout=20)
        assert up.returncode == 1


def test_keys_are_what_wg_makes():
    private = wayleave("key", "generate", check=0).stdout
    assert re.fullmatch(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\n", private)
    assert private != wayleave("key", "generate").stdout
    public = wayleave("key", "public", input=private, check=0).stdout
    assert wayleave("key", "public", input=f"  {private}\n\n", check=0).stdout == public
    if shutil.which("wg"):
        known = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
        assert public == known.stdout


def test_a_known_key_has_its_known_public_key():
    # RFC 7748, 6.1: Alice.
    private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
    public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
    assert wayleave("key", "public", input=private, check=0).stdout.strip() == public


@pytest.mark.parametrize(
    "text",
    ["", "abc", "A" * 43 + "=", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=", "x" * 5000],
    ids=["nothing", "short", "zero", "second-spelling", "long"],
)
def test_what_is_no_private_key_is_refused(text):
    done = wayleave("key", "public", input=text, check=1)
    assert done.stdout == ""
    assert done.stderr == "wayleave: stdin holds no private key (44 characters of base64)\n"


def test_a_full_disk_is_a_failure():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([WAYLEAVE, "key", "generate"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "cannot write the output: No space left on device" in done.stderr


def test_a_key_file_that_others_may_read_is_warned_about(tmp_path):
    for mode, warns in (0o644, True), (0o600, False):
        path = tmp_path / f"key-{mode:o}"
        path.touch()
        path.chmod(mode)
        with open(path, "w", encoding="ascii") as file:
            done = subprocess.run([WAYLEAVE, "key", "generate"], stdout=file, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0
        assert ("others" in done.stderr) == warns


@pytest.mark.parametrize("words", [("status",), ("ping", "b"), ("down",), ("trust", "b")], ids=" ".join)
def test_without_a_daemon_the_remedy_is_named(words, tmp_path):
    if words[:1] not in COMMANDS:
        pytest.fail(f"{words[0]} is missing")
    environment = dict(os.environ, WAYLEAVE_RUN_DIR=str(tmp_path))
    done = wayleave(*words, "-i", "wl7", env=environment, check=1)
    assert done.stdout == ""
    assert done.stderr == "wayleave: wl7 is not up; start it with: wayleave up -i wl7\n"


def test_an_interface_name_is_checked():
    for name in "a/b", "x" * 16, "":
        assert wayleave("status", "-i", name).returncode == 2
