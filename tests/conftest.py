"""Fixtures of all tests; the parts and the house are in small_parts.py."""

import sys

import pytest
from hypothesis import HealthCheck, settings
from shell import place
from small_parts import House

__all__ = ["place"]

# A busy machine is no failure, and a run that passed passes again.
settings.register_profile(
    "here", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")


def pytest_configure(config):
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # two threads on a busy core are 20 times slower


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    """One ledger for many quick tests; count leaves before and after."""
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()
