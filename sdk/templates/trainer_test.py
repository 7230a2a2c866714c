"""The contract first; then what this plugin promises beyond it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sdk import Item, Registry, TrainError, Watch
from sdk.contract import Quiet, check_trainer


class Greys:
    """Two greys of one concept, and a black that must not be used."""

    name = "greys"

    def items(self, watch: Watch, /) -> Iterator[Item]:
        for level, excluded in ((100, ""), (120, ""), (0, "no licence")):
            pixels = np.full((16, 16, 3), level, np.uint8)
            yield Item(
                id=str(level), pixels=pixels, caption="grey", licence="CC0-1.0", excluded=excluded
            )


class Nothing:
    """A data set that came out empty."""

    name = "nothing"

    def items(self, watch: Watch, /) -> Iterator[Item]:
        return iter(())


def test_the_trainer_keeps_the_contract(tmp_path: Path) -> None:
    check_trainer("NAME", {"side": 8}, tmp_path / "model")


def test_excluded_pictures_do_not_move_the_mean(tmp_path: Path) -> None:
    Registry().make("trainer", "NAME").train(Greys(), tmp_path, Quiet())
    with np.load(tmp_path / "means.npz") as learnt:
        assert (learnt["means"] == 110).all()


def test_nothing_to_learn_from_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no usable picture"):
        Registry().make("trainer", "NAME").train(Nothing(), tmp_path, Quiet())
