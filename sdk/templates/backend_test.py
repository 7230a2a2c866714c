"""The contract first; then what this plugin promises beyond it."""

from sdk import Registry, Request
from sdk.contract import Quiet, check_backend


def test_the_backend_keeps_the_contract() -> None:
    check_backend("NAME")


def test_another_seed_draws_another_picture() -> None:
    part = Registry().make("backend", "NAME")
    requests = [Request(prompt="anything", seed=seed, width=64, height=48) for seed in (1, 2)]
    first, second = part.render(requests, Quiet())
    assert first.shape == (48, 64, 3)
    assert (first != second).any()
