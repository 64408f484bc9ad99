"""One run of the tests: its unique name, its folder, and the removal of everything that bears the name.

A run holds a lock on its folder for as long as it lives. A folder without a living owner belongs to a run
that crashed: the next run finds and removes what it left (processes, namespaces, sockets, mounts, files)."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile

from .wait import Deadline, wait_for

FOLDER_PREFIX = "wayleave-net-"
NAMESPACE_PREFIX = "wl-"
INTERFACE_PREFIX = "w"
UAPI_FOLDER = "/var/run/wireguard"
LOCK = "lock"
GRACE_SECONDS = 3


class Run:
    def __init__(self):
        self.id = secrets.token_hex(3)
        self.folder = os.path.join(tempfile.gettempdir(), FOLDER_PREFIX + self.id)
        os.mkdir(self.folder, 0o755)  # other users' processes are part of some tests
        self._lock = _lock(self.folder)
        self._networks = 0

    def next_network(self):
        """The name that all namespaces of one more network begin with, and its folder."""
        self._networks += 1
        folder = os.path.join(self.folder, str(self._networks))
        os.mkdir(folder, 0o755)
        return f"{NAMESPACE_PREFIX}{self.id}-{self._networks}-", folder

    def interface_name(self, name):
        """Unique on the machine, because the UAPI sockets of all namespaces share one folder."""
        interface = f"{INTERFACE_PREFIX}{self.id}{name}"
        assert len(interface) < 16, f"{interface}: too long for an interface"
        return interface

    def close(self):
        remove(self.id)
        os.close(self._lock)


def remove_leftovers():
    """Removes what crashed runs left. Runs that are alive keep their lock, and are left alone."""
    for name in os.listdir(tempfile.gettempdir()):
        if not name.startswith(FOLDER_PREFIX):
            continue
        try:
            lock = _lock(os.path.join(tempfile.gettempdir(), name))
        except OSError:
            continue
        remove(name[len(FOLDER_PREFIX) :])
        os.close(lock)


def remove(run_id):
    """Ends every process in the run's namespaces, then removes namespaces, sockets, mounts, files."""
    folder = os.path.join(tempfile.gettempdir(), FOLDER_PREFIX + run_id)
    remove_namespaces(f"{NAMESPACE_PREFIX}{run_id}-")
    if os.path.isdir(UAPI_FOLDER):
        for name in os.listdir(UAPI_FOLDER):
            if name.startswith(INTERFACE_PREFIX + run_id):
                os.unlink(os.path.join(UAPI_FOLDER, name))
    for mount in _mounts_below(folder):
        subprocess.run(["umount", "--lazy", mount], check=True)
    _remove_folder(folder)


def _remove_folder(folder):
    """Its lock last: whoever finds a folder without one takes it for a crashed run's, and removes it too."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != LOCK:
            os.unlink(entry.path)
    shutil.rmtree(folder, ignore_errors=True)


def remove_namespaces(prefix):
    """Also after Ctrl-C in the middle of it: what is left has still the prefix."""
    names = [name for name in _namespaces() if name.startswith(prefix)]
    _end_processes(names)
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _lock(folder):
    descriptor = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _namespaces():
    return os.listdir("/run/netns") if os.path.isdir("/run/netns") else []


def _processes_of(names):
    """The processes that live in one of the namespaces, but never this one."""
    inodes = set()
    for name in names:
        try:
            inodes.add(os.stat(f"/run/netns/{name}").st_ino)
        except FileNotFoundError:
            pass
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if os.stat(f"/proc/{entry}/ns/net").st_ino in inodes:
                found.append(int(entry))
        except OSError:
            pass  # ended meanwhile
    return found


def _end_processes(names):
    """Asks them to go; those that do not within the grace are killed."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            wait_for(lambda: not _signal(names, sign), GRACE_SECONDS, "processes to end")
            return
        except Deadline:
            continue


def _signal(names, sign):
    """Again and again, since one may have entered its namespace just now. Returns how many there were."""
    processes = _processes_of(names)
    for process in processes:
        try:
            os.kill(process, sign)
        except ProcessLookupError:
            pass
    return len(processes)


def _mounts_below(folder):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        paths = [line.split()[1] for line in mounts]
    return [path for path in paths if path.startswith(folder + "/")]
