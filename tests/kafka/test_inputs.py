from __future__ import annotations

import asyncio
import json

import cramjam
import numpy as np
import pytest

from aiops.demo.encode import encode
from aiops.errors import InputError, Overloaded
from aiops.kafka.inputs import InputReader, Taker, adapted_samples, write_body
from aiops.kafka.records import Record
from aiops.sources._pushed_samples import key_of

LABELS = (("__name__", "up"), ("job", "cart"))
ADAPTED = {
    "timestamp": "2026-11-27T06:00:00Z",
    "value": "1.5",
    "name": "up",
    "labels": {"__name__": "up", "job": "cart"},
}
AT_MS = 1_795_759_200_000


class Gateway:
    """Notes what it is given; refuses the first `away` times."""

    def __init__(self, away=0):
        self.away, self.given = away, []

    def taker(self):
        async def note(kind, content):
            if self.away:
                self.away -= 1
                raise Overloaded("no broker")
            self.given.append((kind, content))

        return Taker(
            samples=lambda c: note("samples", c),
            write=lambda c: note("write", c),
            otlp=lambda c: note("otlp", c),
            events=lambda c: note("events", c),
        )


def read(kind, *records, away=0, headers=None):
    """What a gateway is given of records, what is buried, and which offsets are done."""
    gateway, buried, done = Gateway(away), [], []

    async def bury(record, reason):
        buried.append((record.offset, reason))

    async def story():
        reader = InputReader(kind, gateway.taker(), bury, lambda: AT_MS / 1000)
        for offset, data in enumerate(records):
            await reader.take(Record("metrics", 0, offset, AT_MS, data, lambda o=offset: done.append(o), headers or {}))
        while len(done) < len(records):  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)
        await reader.close()
        return reader

    reader = asyncio.run(story())
    return gateway.given, buried, sorted(done), reader


def test_a_record_of_the_adapter_is_a_sample_with_a_number_from_text():
    samples = adapted_samples(json.dumps(ADAPTED).encode())
    assert samples.keys == [key_of(LABELS)]
    assert (samples.times.tolist(), samples.values.tolist()) == ([AT_MS], [1.5])


def test_a_list_of_the_adapter_is_as_many_samples_and_infinities_are_missing():
    several = [ADAPTED, ADAPTED | {"value": "+Inf"}, ADAPTED | {"value": "NaN", "labels": {"empty": ""}}]
    samples = adapted_samples(json.dumps(several).encode())
    assert np.isnan(samples.values).tolist() == [False, True, True]
    assert samples.keys[2] == key_of([("__name__", "up")])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"value": "many"}, "value must be a number as text, got 'many'"),
        ({"timestamp": "yesterday"}, "timestamp must be RFC 3339, got 'yesterday'"),
        ({"timestamp": "2026-11-27T06:00:00"}, "must name its offset from UTC"),
        ({"labels": "none"}, "labels"),
    ],
)
def test_a_record_of_the_adapter_that_is_none_is_named(change, rule):
    with pytest.raises(InputError, match=rule):
        adapted_samples(json.dumps(ADAPTED | change).encode())


def test_bodies_of_remote_write_come_compressed_or_not():
    body = encode([(LABELS, [(AT_MS, 1.0)])])
    plain = bytes(cramjam.snappy.decompress_raw(body))
    assert write_body(body) == body
    assert bytes(cramjam.snappy.decompress_raw(write_body(plain))) == plain


def test_a_poison_record_is_buried_with_the_reason_and_the_rest_goes_on():
    good = json.dumps(ADAPTED).encode()
    given, buried, done, reader = read("prometheus_json", good, b"poison", good)
    assert [kind for kind, _ in given] == ["samples", "samples"]
    assert [offset for offset, _ in buried] == [1]
    assert "record:" in buried[0][1]
    assert done == [0, 1, 2]
    assert (reader.taken, reader.dead) == (2, 1)


def test_a_record_that_kafka_has_not_taken_is_given_again(monkeypatch):
    monkeypatch.setattr("aiops.kafka.inputs.AGAIN_S", 0.001)
    given, _, done, _ = read("remote_write", encode([(LABELS, [(AT_MS, 1.0)])]), away=2)
    assert [kind for kind, _ in given] == ["write"]
    assert done == [0]


def test_otlp_goes_on_as_it_came():
    assert read("otlp_proto", b"\x0a\x00")[0] == [("otlp", b"\x0a\x00")]


ATTRIBUTES = {
    "specversion": "1.0",
    "id": "1",
    "source": "/ci",
    "type": "dev.cdevents.service.deployed.0.3.0",
    "time": "2026-11-27T06:00:00Z",
}
DATA = {"context": {"version": "0.5.0"}, "subject": {"id": "cart", "type": "service", "content": {}}}


def test_a_structured_cloudevent_is_an_event():
    given, buried, _, _ = read("cloudevents", json.dumps(ATTRIBUTES | {"data": DATA}).encode())
    assert buried == []
    (event,) = given[0][1]
    assert (event.service, event.kind) == ("cart", "deploy")


def test_a_binary_cloudevent_has_its_attributes_in_headers():
    headers = {f"ce_{name}": value.encode() for name, value in ATTRIBUTES.items()}
    headers["content-type"] = b"application/json"
    given, buried, _, _ = read("cloudevents", json.dumps(DATA).encode(), headers=headers)
    assert buried == []
    assert (given[0][1][0].service, given[0][1][0].kind) == ("cart", "deploy")
