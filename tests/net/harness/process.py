"""What /proc says of a running process: its privileges, and where in its memory some bytes lie."""

import os

CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_IPC_LOCK = (1 << number for number in (10, 12, 14))


def statuses(pid):
    """/proc/PID/status of each of its threads, as dictionaries."""
    folder = f"/proc/{pid}/task"
    return [_status(os.path.join(folder, thread, "status")) for thread in os.listdir(folder)]


def _status(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def check_confined(pid, capabilities):
    """Each thread has these capabilities (bits) and none to gain, and a filter of system calls."""
    for status in statuses(pid):
        held = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")}
        assert held == {
            "CapEff": capabilities,
            "CapPrm": capabilities,
            "CapInh": 0,
            "CapAmb": 0,
            "CapBnd": 0,
        }
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def limits(pid):
    """Name to (soft, hard)."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        lines = file.read().splitlines()[1:]
    return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in lines}


def mappings_with(pid, *secrets):
    """The mappings that hold one of these bytes: header line of smaps and set of VmFlags."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for header, flags in _mappings(pid):
            start, end = (int(number, 16) for number in header.split()[0].split("-"))
            if header.split()[1].startswith("rw") and _contains(memory, start, end, secrets):
                found.append((header, flags))
    return found


def _mappings(pid):
    header = None
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            if "-" in line.split()[0]:
                header = line.rstrip("\n")
            elif line.startswith("VmFlags:"):
                yield header, set(line.split()[1:])


def _contains(memory, start, end, secrets):
    try:
        content = os.pread(memory.fileno(), end - start, start)
    except OSError:
        return False  # [vvar] and its like
    return any(secret in content for secret in secrets)
