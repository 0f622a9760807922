from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aiops.errors import InputError
from aiops.scoring import score_file

COLUMNS = ["series", "timestamp", "score", "expected", "lower", "upper", "page"]


def frame(t: int = 3_000, names: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    parts = []
    for name in names:
        values = rng.standard_normal(t) + 10.0
        values[max(t - 500, 0)] += 40.0
        parts.append(pd.DataFrame({"series": name, "timestamp": np.arange(t) * 60 + 1_600_000_000, "value": values}))
    return pd.concat(parts, ignore_index=True)


def scored(rows: pd.DataFrame, folder: Path, **options: object) -> pd.DataFrame:
    source, output = folder / "in.parquet", folder / "out.parquet"
    rows.to_parquet(source, index=False)
    score_file(source, output, **options)  # type: ignore[arg-type]
    return pd.read_parquet(output)


def test_rows_keep_their_order_and_a_spike_pages(tmp_path: Path) -> None:
    rows = frame()
    mixed = rows.sort_values(["timestamp", "series"], ignore_index=True)
    said = scored(mixed, tmp_path)
    assert list(said.columns) == COLUMNS
    assert said["series"].tolist() == mixed["series"].tolist()
    assert said["timestamp"].tolist() == mixed["timestamp"].tolist()
    assert said[said["page"]].groupby("series").size().to_dict() == {"a": 1, "b": 1}
    assert set(said[said["page"]]["timestamp"]) == {2_500 * 60 + 1_600_000_000}
    alone = scored(rows, tmp_path)
    pd.testing.assert_frame_equal(said.sort_values(["series", "timestamp"], ignore_index=True), alone)


def test_a_prefix_scored_alone_gives_the_same_numbers(tmp_path: Path) -> None:
    rows = frame(names=("a",))
    whole = scored(rows, tmp_path)
    pd.testing.assert_frame_equal(scored(rows[:2_600], tmp_path), whole[:2_600])


def test_csv_in_and_out_says_the_same_as_parquet(tmp_path: Path) -> None:
    rows = frame(names=("007",))
    rows.to_csv(tmp_path / "in.csv", index=False)
    score_file(tmp_path / "in.csv", tmp_path / "out.csv")
    said = pd.read_csv(tmp_path / "out.csv", dtype={"series": str})
    pd.testing.assert_frame_equal(said, scored(rows, tmp_path), check_dtype=False)


def test_seconds_milliseconds_and_iso_times_are_the_same(tmp_path: Path) -> None:
    rows = frame(names=("a",))
    seconds = scored(rows, tmp_path)["score"]
    ms = rows.assign(timestamp=rows["timestamp"] * 1_000)
    iso = rows.assign(timestamp=pd.to_datetime(rows["timestamp"], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    dated = rows.assign(timestamp=pd.to_datetime(rows["timestamp"], unit="s", utc=True))
    for other in (ms, iso, dated):
        pd.testing.assert_series_equal(scored(other, tmp_path)["score"], seconds)


def test_a_clock_that_was_set_back_stands_still(tmp_path: Path) -> None:
    rows = frame(names=("a",))
    extra = rows.iloc[[2_000]].assign(value=1e6)
    back = rows.iloc[[1_500]].assign(value=1e6)
    dirty = pd.concat([rows[:2_001], extra, back, rows[2_001:]], ignore_index=True)
    said, clean = scored(dirty, tmp_path), scored(rows, tmp_path)
    assert said["score"][2_001:2_003].isna().all()
    assert not said["page"][2_001:2_003].any()
    pd.testing.assert_frame_equal(said.drop([2_001, 2_002]).reset_index(drop=True), clean)


def test_the_series_column_may_be_called_entity_or_be_absent(tmp_path: Path) -> None:
    rows = frame(names=("a",))
    score = scored(rows, tmp_path)["score"]
    pd.testing.assert_series_equal(scored(rows.rename(columns={"series": "entity"}), tmp_path)["score"], score)
    said = scored(rows.drop(columns="series"), tmp_path)
    pd.testing.assert_series_equal(said["score"], score)
    assert (said["series"] == "").all()


def test_a_larger_budget_pages_more(tmp_path: Path) -> None:
    rows = frame(names=("a",))
    few = scored(rows, tmp_path, page_budget_per_30d=0.01)["page"].sum()
    many = scored(rows, tmp_path, page_budget_per_30d=300.0)["page"].sum()
    assert few <= 1 < many
    with pytest.raises(InputError, match="page_budget_per_30d must be > 0"):
        scored(rows, tmp_path, page_budget_per_30d=0.0)


def test_joint_scores_all_channels_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.standard_normal((3_000, 6)), columns=[f"m{k}" for k in range(6)])
    rows.loc[2_500] += 6.0
    rows.insert(0, "timestamp", np.arange(3_000) * 60)
    rows.insert(0, "entity", "server")
    said = scored(rows, tmp_path, joint=True)
    assert list(said.columns) == COLUMNS
    assert said["score"].idxmax() in {2_500, 2_501}
    assert said["expected"].isna().all()


def test_progress_is_told_per_series(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    scored(frame(300), tmp_path, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_an_empty_file_gives_an_empty_file(tmp_path: Path) -> None:
    said = scored(frame()[:0], tmp_path)
    assert list(said.columns) == COLUMNS
    assert len(said) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,value\n1,2\n", "timestamp: column is missing, found time, value"),
        ("timestamp,x\n1,2\n", "value: column is missing"),
        ("timestamp,value\n1,2\nsoon,3\n", "timestamp: row 1 must be unix s, unix ms or ISO 8601, got"),
        ("timestamp,value\n1,2\n,3\n", "timestamp: row 1 must be unix s"),
        ("timestamp,value\n1e18,2\n", "timestamp: row 0 must be unix s"),
        ("timestamp,value\n1,2\n2,high\n", "value: row 1 must be a number or empty, got 'high'"),
        ("", "cannot be read as Parquet or CSV"),
    ],
)
def test_bad_files_are_refused_with_column_and_rule(tmp_path: Path, text: str, message: str) -> None:
    source = tmp_path / "bad.csv"
    source.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        score_file(source, tmp_path / "out.csv")
    assert str(refused.value).startswith(str(source))


def test_missing_unreadable_and_unwritable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        score_file(tmp_path / "none.csv", tmp_path / "out.csv")
    (tmp_path / "bad.parquet").write_text("PAR?")
    with pytest.raises(InputError, match="cannot be read"):
        score_file(tmp_path / "bad.parquet", tmp_path / "out.csv")
    frame(100).to_csv(tmp_path / "in.csv")
    with pytest.raises(InputError, match="cannot be written"):
        score_file(tmp_path / "in.csv", tmp_path / "nowhere" / "out.csv")
    (tmp_path / "lonely.csv").write_text("entity,timestamp\na,1\n")
    with pytest.raises(InputError, match="at least one channel"):
        score_file(tmp_path / "lonely.csv", tmp_path / "out.csv", joint=True)
