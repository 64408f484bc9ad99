"""The fixtures of the network tests (tests/net), for tests against other implementations of WireGuard."""

import importlib.util
import os
import shutil
import sys

import pytest
from packages import Unavailable

NET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net")
sys.path.insert(0, NET)

_specification = importlib.util.spec_from_file_location("net_conftest", os.path.join(NET, "conftest.py"))
_net = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_net)

from device import Device, KernelDevice  # noqa: E402, after the path
from machine import Machine  # noqa: E402

run, net = _net.run, _net.net
pytest_collection_modifyitems = _net.pytest_collection_modifyitems
pytest_runtest_makereport = _net.pytest_runtest_makereport


@pytest.fixture
def pair(net):
    """Two hosts on the internet, both families."""
    return (
        net.public("a", "198.51.100.1", "2001:db8:1::1"),
        net.public("b", "198.51.100.2", "2001:db8:2::1"),
    )


@pytest.fixture(scope="session")
def _booted(run):
    """Machines that were booted: one at most, unless it ended in the middle of a test."""
    machines = []
    yield machines
    for machine in machines:
        machine.close()


@pytest.fixture
def machine(_booted, run, net):
    """The virtual machine with Debian's kernel (machine.py), not plugged into any host."""
    try:
        if not _booted or _booted[-1].process.poll() is not None:
            _booted.append(Machine(run))
    except Unavailable as reason:
        pytest.skip(f"no machine with Debian's kernel: {reason}")
    yield _booted[-1]
    _booted[-1].unplug()


@pytest.fixture
def started(request):
    """Makes and starts a device in each host; implementations as in device.py, or KernelDevice."""

    def start(hosts, implementations):
        devices = []
        for number, (host, implementation) in enumerate(zip(hosts, implementations), 1):
            if implementation is KernelDevice:
                device = KernelDevice(host, host.name, request.getfixturevalue("machine"), number)
            else:
                device = Device(host, host.name, implementation, number)
            try:
                devices.append(device.start())
            except Unavailable as reason:
                pytest.skip(str(reason))
        return devices

    return start


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")


def pytest_configure(config):
    _net.pytest_configure(config)
    config.addinivalue_line("markers", "needs(*programs): programs that must be installed")
