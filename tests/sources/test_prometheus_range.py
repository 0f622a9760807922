import asyncio
import json
import math
import random
from collections import deque

import httpx
import numpy as np
import pytest

from aiops.errors import Refused, Unavailable
from aiops.sources import _prometheus_answer as answer
from aiops.sources.prometheus import Connection, Matrix, Patience, PrometheusClient
from tests.sources._fake_prometheus import FakePrometheus, Trouble, serve

T0 = 1_700_000_100_000
STEP_S = 30.0


@pytest.fixture
def fake():
    fake = FakePrometheus()
    stop = serve(fake)
    yield fake
    stop()


class Waits(list):
    async def __call__(self, seconds):
        self.append(seconds)


def read(fake, queries, *, rows=5, patience=None, waits=None, start_ms=T0, step_s=STEP_S, **settings):
    async def go():
        client = PrometheusClient(
            Connection(fake.url, **settings), sleep=waits if waits is not None else Waits(), rng=random.Random(1)
        )
        try:
            end = start_ms + round((rows - 1) * step_s * 1000)
            return await client.ranges.read(queries, start_ms, end, step_s, patience=patience)
        finally:
            await client.aclose()

    return asyncio.run(go())


def ramp(time_s):
    return repr(time_s / 7)


def body(result, **more):
    data = {"resultType": "matrix", "result": result}
    return json.dumps({"status": "success", "data": data, **more}, separators=(",", ":")).encode()


def test_series_come_as_columns_on_the_step_grid(fake):
    fake.series["up"] = [({"job": "a"}, ramp), ({"job": "b"}, lambda t: "1" if t * 1000 > T0 + 30_000 else None)]
    (found,) = read(fake, ["up"])
    assert found.times.tolist() == [T0 + 30_000 * k for k in range(5)]
    assert found.labels == ((("job", "a"),), (("job", "b"),))
    assert found.values[:, 0].tolist() == [t / 1000 / 7 for t in found.times.tolist()]
    np.testing.assert_array_equal(found.values[:, 1], [np.nan, np.nan, 1, 1, 1])
    assert found.counts["samples"] == 8


def test_the_range_is_moved_inwards_to_multiples_of_the_step(fake):
    fake.series["up"] = [({}, ramp)]
    (found,) = read(fake, ["up"], start_ms=T0 - 1, rows=3)
    assert found.times.tolist() == [T0, T0 + 30_000]


def test_a_range_without_a_step_in_it_asks_nothing(fake):
    (found,) = read(fake, ["up"], start_ms=T0 + 1, rows=1)
    assert found.values.shape == (0, 0)
    assert fake.requests == []


@pytest.mark.parametrize("step_s", [0, -1, 0.0001])
def test_a_step_that_is_no_whole_number_of_milliseconds_is_a_programming_error(fake, step_s):
    with pytest.raises(ValueError, match="step_s must be"):
        read(fake, ["up"], step_s=step_s)


def test_a_range_over_the_limit_is_cut_and_the_parts_are_joined(fake):
    fake.series["up"] = [({"job": "a"}, ramp), ({"job": "b"}, lambda t: "1" if t * 1000 >= T0 + 24_999_000 else None)]
    (found,) = read(fake, ["up"], rows=25_000, step_s=1)
    assert len(fake.asked()) == 3
    assert found.values.shape == (25_000, 2)
    assert found.values[:, 0].tolist() == [t / 1000 / 7 for t in found.times.tolist()]
    assert np.isnan(found.values[:-1, 1]).all()
    assert found.values[-1, 1] == 1


def test_a_series_that_appears_in_a_later_part_is_missing_before(fake):
    fake.series["up"] = [({"job": "b"}, lambda t: "1" if t * 1000 >= T0 + 240_000 else None)]
    (found,) = read(fake, ["up"], rows=10, max_points=4)
    assert np.isnan(found.values[:8, 0]).all()
    assert (found.values[8:, 0] == 1).all()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (422, "query processing would load too many samples into memory in query execution"),
        (400, "exceeded maximum resolution of 11,000 points per timeseries"),
        (
            422,
            "too many points for the given step=1, start=1 and end=2: 30; cannot exceed -search.maxPointsPerTimeseries",
        ),
        (503, "query timed out in expression evaluation"),
        (422, "the query time range exceeds the limit (query length: 721h0m0s, limit: 720h0m0s)"),
    ],
)
def test_what_is_too_much_for_one_request_is_asked_for_in_halves(fake, status, message):
    fake.series["up"] = [({}, ramp)]
    refusal = Trouble(status, json.dumps({"status": "error", "error": message}).encode())
    fake.script["up"] = deque([refusal, refusal])
    (found,) = read(fake, ["up"], rows=8)
    assert len(fake.asked()) == 5
    assert np.isfinite(found.values).all()


def test_an_answer_over_the_byte_limit_is_asked_for_in_halves(fake):
    fake.series["up"] = [({"job": str(k)}, ramp) for k in range(10)]
    (found,) = read(fake, ["up"], rows=100, max_body_bytes=12_000)
    assert found.values.shape == (100, 10)
    assert np.isfinite(found.values).all()
    assert len(fake.asked()) > 2


def test_one_step_over_the_byte_limit_is_refused(fake):
    fake.series["up"] = [({"job": "x" * 5000}, ramp)]
    (error,) = read(fake, ["up"], rows=4, max_body_bytes=2000)
    assert isinstance(error, Refused)
    assert "max_body_bytes=2000" in str(error)


def test_one_step_that_times_out_may_pass_later(fake):
    fake.always["up"] = Trouble(503, b'{"status":"error","error":"query timed out"}')
    (error,) = read(fake, ["up"], rows=1)
    assert isinstance(error, Unavailable)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422, 302])
def test_a_refusal_is_not_repeated_and_says_what_the_server_said(fake, status):
    fake.always["up"] = Trouble(status, b'{"status":"error","errorType":"bad_data","error":"parse error: so so"}')
    (error,) = read(fake, ["up"])
    assert isinstance(error, Refused)
    assert str(error) == f"HTTP {status}: parse error: so so"
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_a_passing_failure_is_tried_again_after_growing_jittered_waits(fake, status):
    fake.always["up"] = Trouble(status, b"<html>Bad gateway</html>")
    waits = Waits()
    (error,) = read(fake, ["up"], patience=Patience(attempts=4, wait_s=1.0, longest_wait_s=3.0), waits=waits)
    assert isinstance(error, Unavailable)
    assert str(error) == f"HTTP {status}: <html>Bad gateway</html>"
    assert len(fake.requests) == 4
    assert [low <= w <= 2 * low for w, low in zip(waits, (0.5, 1.0, 1.5), strict=True)] == [True] * 3
    assert len(set(waits)) == 3


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_a_broken_connection_is_tried_again(fake, kind):
    fake.series["up"] = [({}, ramp)]
    fake.script["up"] = deque([Trouble(body=body([]), kind=kind)])
    (found,) = read(fake, ["up"])
    assert isinstance(found, Matrix)
    assert len(fake.requests) == 2


def test_json_that_stops_in_the_middle_is_tried_again(fake):
    fake.series["up"] = [({}, ramp)]
    fake.script["up"] = deque([Trouble(body=body([{"metric": {}, "values": [[T0 / 1000, "1"]]}])[:60])])
    assert isinstance(read(fake, ["up"])[0], Matrix)


def test_a_silent_server_is_given_up_after_the_time_limit(fake):
    fake.always["up"] = Trouble(kind="hang")
    (error,) = read(fake, ["up"], timeout_s=0.2, patience=Patience(attempts=2))
    assert isinstance(error, Unavailable)
    assert str(error).endswith(" did not answer: no answer in time")
    (error,) = read(fake, ["up"], patience=Patience(attempts=1, request_s=0.2))
    assert str(error) == "no complete answer within 0.2 s"


def test_a_dead_server_is_unavailable(fake):
    (error,) = read(FakePrometheus(url="http://127.0.0.1:9"), ["up"])
    assert isinstance(error, Unavailable)
    assert str(error) == "http://127.0.0.1:9 did not answer: nothing listens there"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"<html>please log in</html>", "not JSON"),
        (b'{"status":"success","data":{"resultType":"vector","result":[]}}', "must give a matrix"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":[]}]}}', "not one of Prometheus"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\xff"}}]}}', "not UTF-8"),
        (body([{"metric": {}, "values": [[1, "abc"]]}]), "no sample"),
        (body([{"metric": {}, "values": [[1]]}]), "no sample"),
        (body([{"metric": {}, "values": {"a": 1}}]), "no sample"),
        (body([{"metric": {}, "values": [[1e300, "1"]]}]), None),
    ],
)
def test_an_answer_that_is_none_is_refused(fake, text, rule):
    fake.always["up"] = Trouble(body=text)
    (found,) = read(fake, ["up"])
    if rule is None:
        assert found.counts["off_grid"] == 1
    else:
        assert isinstance(found, Refused)
        assert rule in str(found)


def test_a_200_with_an_error_inside_may_pass(fake):
    fake.always["up"] = Trouble(body=b'{"status":"error","error":"store down"}')
    (error,) = read(fake, ["up"])
    assert isinstance(error, Unavailable)
    assert "store down" in str(error)


def odd_result():
    t = T0 / 1000
    return [
        {"metric": {"job": "a"}, "values": [[t, "1"], [t, "2"], [t + 30, "NaN"], [t + 60, "+Inf"], [t + 61, "9"]]},
        {"metric": {"job": "a"}, "values": [[t, "7"], [t + 90, "4"]]},
        {"metric": {"job": "h"}, "histograms": [[t, {"count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]]}]]},
        {"metric": {"job": "both"}, "values": [[t, "5"]], "histograms": [[t, {"count": "1", "sum": "2"}]]},
        {"metric": {"job": "-"}, "values": [[t, "-Inf"]]},
    ]


@pytest.mark.parametrize("bulk_bytes", [0, 10**9])
def test_odd_samples_are_counted_and_never_become_values(fake, bulk_bytes, monkeypatch):
    monkeypatch.setattr(answer, "BULK_BYTES", bulk_bytes)
    fake.always["up"] = Trouble(body=body(odd_result()))
    (found,) = read(fake, ["up"])
    assert found.labels == ((("job", "a"),), (("job", "both"),), (("job", "-"),))
    np.testing.assert_array_equal(found.values[:, 0], [2, np.nan, np.nan, 4, np.nan])
    np.testing.assert_array_equal(found.values[:, 2], [np.nan] * 5)
    expected = {
        "samples": 9,
        "duplicate_sample": 1,
        "nan": 1,
        "infinite": 2,
        "off_grid": 1,
        "duplicate_series": 1,
        "histogram": 2,
    }
    assert dict(+found.counts) == expected


def test_compiled_and_plain_reading_give_the_same_bits(monkeypatch):
    rng = random.Random(8)
    rare = [["NaN", "+Inf"], ["1e300", "-1e-300", "5e-324"], []]  # the second series is left to Python
    texts = [rng.choice([*rare[t % 3], repr(rng.gauss(0, 1e3))]) for t in range(2000)]
    window = answer.Window(0, 1999 * 1000, 1000)
    result = [{"metric": {"k": str(k)}, "values": [[t, texts[t]] for t in range(k, 2000, 3)]} for k in range(3)]
    text = body(result)
    monkeypatch.setattr(answer, "BULK_BYTES", 10**9)
    plain = answer.read_answer(text, window, 10)
    monkeypatch.setattr(answer, "BULK_BYTES", 0)
    bulk = answer.read_answer(text, window, 10)
    assert plain.counts == bulk.counts
    for labels, column in plain.columns.items():
        np.testing.assert_array_equal(column.view(np.uint64), bulk.columns[labels].view(np.uint64))
    finite = [float(x) for x in texts if math.isfinite(float(x))]
    assert sum(np.isfinite(c).sum() for c in bulk.columns.values()) == len(finite)


def test_big_answers_are_read_off_the_loop(fake):
    fake.series["up"] = [({"job": str(k)}, ramp) for k in range(20)]
    (found,) = read(fake, ["up"], rows=1000)
    assert found.values.tolist() == [[t / 1000 / 7] * 20 for t in found.times.tolist()]


@pytest.mark.parametrize(
    "more", [{"warnings": ["results truncated due to limit"]}, {"isPartial": True}, {"warnings": ["store x: timeout"]}]
)
def test_a_partial_answer_is_an_error_for_history_and_counted_for_live_data(fake, more):
    fake.always["up"] = Trouble(body=body([{"metric": {}, "values": [[T0 / 1000, "1"]]}], **more))
    (error,) = read(fake, ["up"])
    assert isinstance(error, Unavailable)
    assert "partial" in str(error)
    (found,) = read(fake, ["up"], patience=Patience(accept_partial=True))
    assert found.counts["partial"] == 1
    assert found.warnings == tuple(more.get("warnings", ()))


def test_remarks_on_the_query_itself_do_not_make_an_answer_partial(fake):
    fake.series["up"] = [({}, ramp)]
    fake.extra = {"warnings": ["PromQL warning: bucket label"], "infos": ["PromQL info: metric might not be a counter"]}
    (found,) = read(fake, ["up"])
    assert (found.counts["warnings"], found.counts["infos"], found.counts["partial"]) == (1, 1, 0)


def test_series_over_the_limit_are_dropped_and_counted(fake):
    fake.series["up"] = [({"job": str(k)}, ramp) for k in range(10)]
    (found,) = read(fake, ["up"], max_series=4)
    assert len(found.labels) == 4
    assert found.counts["series_over_limit"] == 6


def test_one_bad_query_spoils_no_other(fake):
    fake.series["up"] = [({}, ramp)]
    good, bad, other = read(fake, ["up", "nonsense(", "up"])
    assert isinstance(good, Matrix)
    assert isinstance(bad, Refused)
    assert isinstance(other, Matrix)


def test_compressed_answers_are_read(fake):
    fake.gzip = True
    fake.series["up"] = [({}, ramp)]
    assert np.isfinite(read(fake, ["up"])[0].values).all()


def test_compression_is_asked_for_when_wanted(fake):
    fake.series["up"] = [({}, ramp)]
    read(fake, ["up"])
    read(fake, ["up"], compress=True)
    assert [r.headers["Accept-Encoding"] for r in fake.requests] == ["identity", "gzip"]


def test_never_more_requests_at_a_time_than_allowed():
    running, most = 0, 0

    async def answer_slowly(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return httpx.Response(200, content=body([]))

    async def go():
        client = PrometheusClient(Connection("http://x"), concurrency=3)
        client._opened = httpx.AsyncClient(transport=httpx.MockTransport(answer_slowly))
        await client.ranges.read([str(k) for k in range(20)], T0, T0, 30)
        await client.aclose()

    asyncio.run(go())
    assert most == 3
