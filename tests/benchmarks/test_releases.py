import pytest

from tests.benchmarks._releases import add_release

PAGE = """# Results

Words.

| figure | unit | goal | 0.1.0 |
|---|---|---|---|
| recall | % | >= 80 | **70** |
| gone | s |  | 3 |

More words.
"""


def row(figure, value, met=None, unit="%", goal=""):
    return {"figure": figure, "value": value, "unit": unit, "goal": goal, "met": met}


def test_a_release_gets_a_column_and_the_others_keep_theirs(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    rows = [row("recall", 85.123, met=True, goal=">= 85"), row("state", 960, met=False, unit="bytes")]
    for _ in range(2):  # the same again changes nothing
        add_release(page, "0.2.0", rows)
        assert page.read_text().splitlines() == [
            *PAGE.splitlines()[:4],
            "| figure | unit | goal | 0.2.0 | 0.1.0 |",
            "|---|---|---|---|---|",
            "| recall | % | >= 85 | 85.12 | **70** |",
            "| gone | s |  |  | 3 |",
            "| state | bytes |  | **960** |  |",
            "",
            "More words.",
        ]


def test_a_page_without_the_table_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Results")
    with pytest.raises(ValueError, match="is missing"):
        add_release(page, "0.2.0", [])
