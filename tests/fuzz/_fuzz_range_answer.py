"""Answers to range queries: refused, or read alike by compiled code and by plain Python."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np

from aiops.errors import SourceError
from aiops.sources import _prometheus_numbers as numbers
from aiops.sources._prometheus_answer import Window, _read_plain, read_answer

WINDOW = Window(0, 9000, 1000)
_ANSWER = '{"status":"success","data":{"resultType":"matrix","result":[%s]}}'
_SERIES = (
    '{"metric":{"a":"x\\\\n\\"\\u00e9"},"values":[[0,"1"],[1,"NaN"],[2,"+Inf"],[3,"-1.5e-7"],[4.000,"12345678901234567890"]]}',
    '{"metric":{},"values":[]},{"metric":{},"histograms":[[1,{"count":"1","sum":"2","buckets":[[0,"1","2","3"]]}]]}',
)
SEEDS = [*(b"a" + (_ANSWER % series).encode() for series in _SERIES), b'v[[0,"1.25"],[1,"7e22"],[2.5,"-0"],[9,"0.1"]]']


def check(data: bytes) -> None:
    """`a` and an answer, or `v` and the list of values of one series."""
    if data[:1] == b"a":
        try:
            answer = read_answer(data[1:], WINDOW, 10)
        except SourceError:
            return
        assert all(len(column) == WINDOW.rows for column in answer.columns.values())
        assert not any(np.isinf(column).any() for column in answer.columns.values())
        return
    text = data[1:]
    column, found = np.full(WINDOW.rows, np.nan), np.zeros(len(numbers.REASONS), np.int64)
    code = numbers.scan(np.frombuffer(text, np.uint8), 0, 1000, numbers.powers(), column, found)
    if code == numbers.UNDECIDED:
        return
    try:
        counts = Counter[str]()
        plain = _read_plain(msgspec.Raw(text), WINDOW, counts)
    except SourceError:
        return
    assert np.array_equal(column.view(np.uint64)[~np.isnan(column)], plain.view(np.uint64)[~np.isnan(plain)])
    assert +Counter(dict(zip(numbers.REASONS, found.tolist(), strict=True))) == +counts
