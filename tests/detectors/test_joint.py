import numpy as np
import pytest

from detectors import checks
from detectors.joint import Joint


def test_small_shifts_of_many_channels_are_rarer_than_one_alone() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((6_000, 10))
    values[5_000] += 3.0
    values[5_500, 0] += 3.0
    said = Joint(10).update(np.arange(6_000) * 60_000, values)
    assert np.nanargmax(said.rarity) in {5_000, 5_001}
    assert said.surprise[5_000, 0] > said.surprise[5_500, 0]


def test_rows_without_values_get_no_opinion() -> None:
    values = np.random.default_rng(1).standard_normal((500, 3))
    values[300] = np.nan
    values[310, 1:] = np.nan
    said = Joint(3).update(np.arange(500) * 60_000, values)
    assert np.isnan(said.rarity[300])
    assert np.isfinite(said.rarity[310])


def test_cutting_through_a_snapshot_changes_nothing() -> None:
    values = np.random.default_rng(2).standard_normal((800, 4))
    times = np.arange(800) * 60_000
    whole = Joint(4).update(times, values)
    first, second = Joint(4), Joint(4)
    first.update(times[:333], values[:333])
    second.restore(first.snapshot())
    assert np.array_equal(second.update(times[333:], values[333:]).rarity, whole.rarity[333:], equal_nan=True)


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        Joint(2).restore({})


def test_a_service_has_a_channel() -> None:
    with pytest.raises(ValueError, match="channels must be >= 1"):
        Joint(0)


def test_a_unit_is_positive() -> None:
    with pytest.raises(ValueError, match="unit must be > 0, got 0"):
        Joint(2, unit=0.0)


def test_the_distance_and_the_unit_weigh_what_they_say() -> None:
    values = np.random.default_rng(4).standard_normal((1_200, 2)) @ np.array([[1.0, 1.0], [0.0, 0.05]])
    values[1_000:1_005, 1] = values[1_000:1_005, 0] + 2.0
    times = np.arange(1_200) * 60_000

    def rarity_at_the_break(**constants: float) -> float:
        return float(np.nanmax(Joint(2, **constants).update(times, values).rarity[1_000:1_005]))

    assert rarity_at_the_break(distance_weight=0.0) < rarity_at_the_break() < rarity_at_the_break(unit=2.0)


def test_an_incident_is_told_by_all_its_rows() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((6_000, 6))
    values[5_000:5_020] += 3.0
    said = Joint(6).update(np.arange(6_000) * 60_000, values)
    assert (said.rarity[5_002:5_020, 0] > np.nanquantile(said.rarity, 0.99)).all()


@pytest.mark.parametrize(
    "check",
    [
        checks.check_cutting_changes_nothing,
        checks.check_the_future_never_changes_the_past,
        checks.check_bad_input_is_survived,
        checks.check_inputs_are_left_alone,
        checks.check_refused_rows_leave_no_trace,
        checks.check_bad_rows_are_refused,
    ],
)
def test_it_keeps_the_contract_of_detectors_but_for_columns_that_join(check) -> None:
    check(lambda n: Joint(max(n, 1)))


def test_memory_grows_with_the_square_of_the_channels_and_with_nothing_else() -> None:
    def size(joint: Joint) -> int:
        return sum(array.nbytes for name, array in joint.snapshot().items() if name.startswith("cloud_"))

    joint = Joint(8)
    early = size(joint)
    joint.update(np.arange(3_000) * 60_000, np.random.default_rng(1).standard_normal((3_000, 8)))
    assert size(joint) == early == 8 * (2 + 2 * 8 + 2 * 64)
