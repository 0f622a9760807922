import re
from pathlib import Path

import pytest

from aiops._cost import FULL, LIGHT, Load

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


@pytest.mark.parametrize(("bank", "cost"), [("full", FULL), ("light", LIGHT)])
def test_the_page_and_the_previews_reckon_with_the_same_figures(bank: str, cost: object) -> None:
    found = re.search(rf"^\| {bank} \| (\d+) \| (\d+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert (float(found[1]), float(found[2])) == (cost.memory_bytes, cost.sample_ns)  # type: ignore[attr-defined]


def test_the_example_of_the_page_is_what_the_preview_says() -> None:
    assert f"full bank: {Load(100_000, 0, 30.0).text()}" in PAGE.read_text(encoding="utf-8")


def test_series_of_both_banks_add_up() -> None:
    load = Load(full=1_000, light=2_000, step_s=10.0)
    assert load.memory_bytes == 1_000 * FULL.memory_bytes + 2_000 * LIGHT.memory_bytes
    assert load.cores == pytest.approx((1_000 * FULL.sample_ns + 2_000 * LIGHT.sample_ns) / 10.0 * 1e-9)
