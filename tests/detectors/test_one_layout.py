"""A kernel is compiled for one layout of rows: whatever a caller brings, nobody waits for another copy of it."""

import importlib

import numpy as np
import pytest

from detectors import DETECTORS

TIMES = np.arange(120) * 60_000
VALUES = np.random.default_rng(3).normal(10.0, 1.0, (120, 3))


def read_only(values):
    frozen = values.copy()
    frozen.flags.writeable = False
    return frozen


LAYOUTS = {
    "columns first": np.asfortranarray,
    "every other": lambda values: np.repeat(values, 2, axis=1)[:, ::2],
    "read only": read_only,
    "big endian": lambda values: values.astype(">f8"),
    "a list": lambda values: values.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("name", DETECTORS)
def test_every_layout_of_rows_is_scored_the_same_by_the_same_kernel(name, layout):
    kind = DETECTORS[name]
    kernel = importlib.import_module(kind.__module__)._run
    expected = kind(3).update(TIMES, VALUES).surprise
    compiled = list(kernel.signatures)
    np.testing.assert_array_equal(kind(3).update(TIMES, layout(VALUES)).surprise, expected)
    assert kernel.signatures == compiled
