"""Every target for a moment, from the same seed; and the watch over memory itself."""

import subprocess
from itertools import count
from pathlib import Path

import pytest

from tests.fuzz.__main__ import NAMES, fuzz, summary
from tests.fuzz.growth import WARM_UP, Growth, GrowthError


def test_nothing_raises_and_nothing_grows(tmp_path: Path) -> None:
    said = fuzz(",".join(NAMES), tmp_path, runs=1500, seed=1)
    # The seeds alone make some 400 inputs; libFuzzer would also end well without any.
    inputs, edges = summary(said).split(" inputs, ")
    assert int(inputs) >= 1500
    assert int(edges.removesuffix(" edges")) > 2000


def test_an_error_that_is_only_logged_is_found(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as found:
        fuzz("fails-on-purpose", tmp_path, runs=1500, seed=1)
    assert "found on purpose" in found.value.output


def _watch(growth: Growth, inputs: int) -> None:
    for _ in range(inputs):
        growth.after_run()


def test_one_block_for_each_input_is_growth() -> None:
    growth = Growth(100, slack=50, count=count(1000, 100).__next__)
    _watch(growth, (WARM_UP + 1) * 100)
    with pytest.raises(GrowthError):
        _watch(growth, 100)


def test_what_comes_and_goes_is_no_growth() -> None:
    counts = iter([1000, 1040, 1010, 1045] * 2)
    _watch(Growth(100, slack=50, count=counts.__next__), 1000)
    assert next(counts, None) is not None
