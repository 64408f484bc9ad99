"""Fixtures: one run for all tests, one internet for each. Whatever a test made is gone after it, also when
it failed or was interrupted; a failure shows the log of each daemon."""

import os
import signal

import pytest
from harness import Network, Run
from harness.run import remove_leftovers

TEST_SECONDS = 90
LOG_LINES = 80


# A system call that is missing from a daemon's list ends it, instead of failing; see Network.close().
os.environ.setdefault("WAYLEAVE_SECCOMP", "kill")


def pytest_configure(config):
    config.addinivalue_line("markers", f"seconds(most): how long it may take, in place of {TEST_SECONDS}")
    config.addinivalue_line("markers", "slow: takes minutes, since something real does")


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        reason = pytest.mark.skip(reason="network namespaces need root")
        for item in items:
            item.add_marker(reason)


@pytest.fixture(scope="session")
def run():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_leftovers()
    run = Run()
    yield run
    run.close()


@pytest.fixture
def net(run, request):
    """The internet of one test."""
    network = Network(run)
    request.node.network = network
    signal.signal(signal.SIGALRM, _too_long)
    marker = request.node.get_closest_marker("seconds")
    signal.alarm(marker.args[0] if marker else TEST_SECONDS)
    try:
        yield network
    finally:
        signal.alarm(0)
        network.close()


def _too_long(*_):
    raise TimeoutError("the test took too long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when != "call" or not report.failed:
        return
    for daemon in getattr(item, "network", None).daemons if hasattr(item, "network") else ():
        lines = daemon.log().splitlines()[-LOG_LINES:]
        report.sections.append((f"log of {daemon.name}", "\n".join(lines)))
