"""Debian packages that a test needs and nobody must install: downloaded, unpacked and kept in build-cache/.

The machine's apt tells where the mirror is; neither its sources nor its lists are changed."""

import fcntl
import glob
import os
import re
import shutil
import subprocess

CACHE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build-cache")
APT_SECONDS = 120
RELEASE = "bookworm"
BACKPORTS = RELEASE + "-backports"


class Unavailable(Exception):
    """A package cannot be had here; says why."""


def unpacked(package, suite=RELEASE):
    """The folder with the package's files. What is in the cache is not asked for again."""
    suite = _Suite(suite)
    with suite.locked():
        return suite.cached(package) or suite.download(package)


def unpacked_dependency(package, pattern):
    """The same for the package that the named one depends on and whose name the pattern describes."""
    suite = _Suite(RELEASE)
    with suite.locked():
        return suite.cached(pattern) or suite.download(suite.dependency(package, pattern))


class _Suite:
    def __init__(self, name):
        self._name = name
        self._folder = os.path.realpath(os.path.join(CACHE, name))
        os.makedirs(os.path.join(self._folder, "lists", "partial"), exist_ok=True)

    def locked(self):
        """A file whose closing gives the cache to the next."""
        lock = open(os.path.join(self._folder, "lock"), "w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def cached(self, pattern):
        return next(iter(sorted(glob.glob(os.path.join(self._folder, "packages", pattern)))), None)

    def download(self, package):
        partial = os.path.join(self._folder, "partial")
        shutil.rmtree(partial, ignore_errors=True)
        os.mkdir(partial)
        self._update()
        self._apt("apt-get", "download", package, cwd=partial)
        (archive,) = os.listdir(partial)
        _run(["dpkg", "-x", archive, "."], cwd=partial)
        os.unlink(os.path.join(partial, archive))
        final = os.path.join(self._folder, "packages", package)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(partial, final)
        return final

    def dependency(self, package, pattern):
        self._update()
        expression = "Depends: (" + pattern.replace("*", r"\S*") + ")$"
        found = re.search(expression, self._apt("apt-cache", "depends", package), re.M)
        if not found:
            raise Unavailable(f"{package} of {self._name} depends on nothing like {pattern}")
        return found.group(1)

    def _update(self):
        with open(self._sources(), "w", encoding="ascii") as file:
            file.write(f"deb {_mirror()} {self._name} main\n")
        self._apt("apt-get", "update")

    def _sources(self):
        return os.path.join(self._folder, "sources.list")

    def _apt(self, *words, cwd=None):
        options = (
            f"Dir::State::lists={self._folder}/lists",
            "Dir::State::status=/dev/null",
            f"Dir::Cache={self._folder}",
            f"Dir::Etc::sourcelist={self._sources()}",
            "Dir::Etc::sourceparts=-",
            "APT::Sandbox::User=root",
            "Acquire::Languages=none",
            "Acquire::Retries=1",
        )
        return _run([*words, "-q", *(word for option in options for word in ("-o", option))], cwd)


def _mirror():
    """From which the machine has its release."""
    targets = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"])
    for line in targets.splitlines():
        address, release, component = line.split()
        if (release, component) == (RELEASE, "main"):
            return address
    raise Unavailable(f"apt knows no mirror of {RELEASE} here")


def _run(argv, cwd=None):
    try:
        return subprocess.run(
            argv,
            cwd=cwd,
            text=True,
            capture_output=True,
            check=True,
            timeout=APT_SECONDS,
            env=dict(os.environ, LC_ALL="C"),
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise Unavailable(f"{' '.join(argv[:3])}: {said.strip()}") from error
