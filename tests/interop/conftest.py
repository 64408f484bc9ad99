"""The fixtures of the network tests (tests/net), for tests against other implementations of WireGuard."""

import importlib.util
import os
import shutil
import sys

import pytest

NET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net")
sys.path.insert(0, NET)

_specification = importlib.util.spec_from_file_location("net_conftest", os.path.join(NET, "conftest.py"))
_net = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_net)

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


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*programs): programs that must be installed")
