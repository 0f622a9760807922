from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aiops.demo.encode import HEADERS, encode
from aiops.errors import InputError, Overloaded
from aiops.kafka import gateway as module
from aiops.kafka.frames import Frame, unpack
from aiops.kafka.gateway import GatewayRules
from aiops.kafka.topics import partition_of
from aiops.sources._pushed_samples import Samples, key_of
from tests.kafka._log import Log, read, run

AT_MS = 1_700_000_000_000
PARTITIONS = 8


def requests(service, code="200"):
    """A series of the OTel HTTP pack."""
    return tuple(
        sorted(
            {
                "__name__": "http_server_request_duration_seconds_count",
                "service_name": service,
                "http_response_status_code": code,
            }.items()
        )
    )


def body(*series, value=1.0, time_ms=AT_MS):
    return encode((labels, [(time_ms, value)]) for labels in series)


def frames(log):
    return {
        p: [m for m in read(log, p) if isinstance(m, Frame) and len(m.numbers)]
        for p in range(PARTITIONS)
        if log.messages.get(p)
    }


def test_each_series_goes_to_the_partition_of_its_service_with_its_name_once():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway()
        for value in (1.0, 2.0):
            await gateway.write(body(requests("cart"), requests("db"), requests("cart", "500"), value=value), HEADERS)
        return log, gateway

    log, gateway = run(story())
    places = {partition_of(service, PARTITIONS) for service in ("cart", "db")}
    assert set(frames(log)) == places
    cart = frames(log)[partition_of("cart", PARTITIONS)]
    assert [len(frame.names) for frame in cart][1:] == [0] * (len(cart) - 1)
    assert key_of(requests("cart")) in cart[0].names
    assert gateway.counts["sent"] == 6


def test_what_no_pack_uses_goes_no_further_and_is_counted():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway()
        written = await gateway.write(body((("__name__", "cats"), ("job", "zoo"))), HEADERS)
        return log, gateway, written

    log, gateway, written = run(story())
    assert log.messages == {}
    assert (gateway.counts["unwatched"], written.samples) == (1, 1)


def test_requests_of_a_moment_share_frames():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway(GatewayRules(linger_s=0.02))
        await asyncio.gather(*(gateway.write(body(requests("cart", str(code))), HEADERS) for code in range(200, 230)))
        return log

    (frame,) = frames(run(story()))[partition_of("cart", PARTITIONS)]
    assert len(frame.numbers) == 30


def test_nobody_waits_for_others_once_all_senders_wait():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway(GatewayRules(linger_s=60.0))

        async def write(code):
            await gateway.write(body(requests("cart", str(code))), HEADERS)

        async with asyncio.timeout(10.0):
            for code in range(3):
                await write(code)
            await asyncio.gather(write(3), write(4))
            # One of the two that were there is missing: it may still come.
            first = asyncio.create_task(write(5))
            await asyncio.sleep(0.02)
            waits = not first.done()
            await asyncio.gather(first, write(6))
        return log, waits

    log, waits = run(story())
    assert [len(frame.numbers) for frame in frames(log)[partition_of("cart", PARTITIONS)]] == [1, 1, 1, 2, 2]
    assert waits


def test_a_series_that_two_services_need_goes_to_both():
    call = tuple(sorted({"__name__": "traces_service_graph_request_total", "client": "web", "server": "db"}.items()))

    async def story():
        log = Log(PARTITIONS, AT_MS)
        await log.gateway().write(body(requests("cart"), call, requests("web"), value=3.0), HEADERS)
        return log

    homes = {service: partition_of(service, PARTITIONS) for service in ("cart", "web", "db")}
    assert len(set(homes.values())) == 3
    found = {p: [f for f in there if key_of(call) in f.names] for p, there in frames(run(story())).items()}
    assert {p for p, there in found.items() if there} == {homes["web"], homes["db"]}
    for (frame,) in (there for there in found.values() if there):
        assert frame.values.tolist() == [3.0] * len(frame.numbers)
        assert frame.names.index(key_of(call)) in frame.numbers


def test_what_comes_while_kafka_takes_frames_shares_the_next_ones():
    async def story():
        log, taken = Log(PARTITIONS, AT_MS), asyncio.Event()
        gateway = log.gateway()
        put = gateway._put

        async def slow(partition, data):
            await taken.wait()
            await put(partition, data)

        gateway._put = slow
        first = asyncio.create_task(gateway.write(body(requests("cart")), HEADERS))
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(gateway.write(body(requests("cart", str(n))), HEADERS)) for n in range(200, 205)]
        await asyncio.sleep(0.01)
        taken.set()
        await asyncio.gather(first, *rest)
        return log

    there = frames(run(story()))[partition_of("cart", PARTITIONS)]
    assert [len(frame.numbers) for frame in there] == [1, 5]


def test_names_are_said_again_in_every_partition_when_one_of_them_has_refused():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway()
        put, refusing = gateway._put, {partition_of("db", PARTITIONS)}

        async def some(partition, data):
            if partition in refusing:
                raise Overloaded("no leader")
            await asyncio.sleep(0.01)
            await put(partition, data)

        gateway._put = some
        with pytest.raises(Overloaded, match="no leader"):
            await gateway.write(body(requests("cart"), requests("db")), HEADERS)
        refusing.clear()
        await gateway.write(body(requests("cart"), requests("db")), HEADERS)
        return log

    there = frames(run(story()))
    assert [len(frame.names) for frame in there[partition_of("cart", PARTITIONS)]] == [1, 1]
    assert [len(frame.names) for frame in there[partition_of("db", PARTITIONS)]] == [1]


def test_a_sender_is_told_to_come_again_when_kafka_has_not_taken_it_and_names_are_said_again():
    async def story():
        log = Log(PARTITIONS, AT_MS, refuses=True)
        gateway = log.gateway()
        with pytest.raises(Overloaded, match="no broker"):
            await gateway.write(body(requests("cart")), HEADERS)
        log.refuses = False
        await gateway.write(body(requests("cart")), HEADERS)
        return log

    (frame,) = frames(run(story()))[partition_of("cart", PARTITIONS)]
    assert frame.names == (key_of(requests("cart")),)


def test_beyond_what_may_be_on_its_way_senders_are_told_to_come_again():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway(GatewayRules(linger_s=0.02, most_samples=1))
        first = asyncio.create_task(gateway.write(body(requests("cart")), HEADERS))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="on their way to Kafka"):
            await gateway.write(body(requests("db")), HEADERS)
        await first
        return gateway.counts["refused"]

    assert run(story()) == 1


def test_a_body_that_is_wrong_for_good_puts_nothing_anywhere():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        with pytest.raises(InputError):
            await log.gateway().write(b"\xff\xff", HEADERS)
        return log

    assert run(story()).messages == {}


def test_decoded_samples_go_the_same_way_with_their_stale_marker():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway()
        key = key_of(requests("cart"))
        samples = Samples([key], np.zeros(1, np.int32), np.array([AT_MS]), np.array([np.nan]), np.array([True]))
        await gateway.offer(samples)
        return log

    (frame,) = frames(run(story()))[partition_of("cart", PARTITIONS)]
    assert frame.values.view(np.uint64).tolist() == [0x7FF0000000000002]


def test_quiet_partitions_hear_how_late_it_is_and_names_are_said_again_in_time():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway(GatewayRules(linger_s=0, say_again_s=60.0))
        await gateway.write(body(requests("cart")), HEADERS)
        await gateway.tick()
        ticks = {p: [unpack(data) for _, data in messages].count(None) for p, messages in log.messages.items()}
        log.now_ms += 61_000
        await gateway.tick()
        await gateway.write(body(requests("cart")), HEADERS)
        return log, ticks

    log, ticks = run(story())
    assert ticks.pop(partition_of("cart", PARTITIONS)) == 0
    assert set(ticks.values()) == {1}
    first, second = frames(log)[partition_of("cart", PARTITIONS)]
    assert second.names == first.names


def test_series_over_the_limit_are_counted():
    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway()
        gateway.series._max_series = 1
        await gateway.write(body(requests("cart"), requests("db")), HEADERS)
        return gateway.counts

    assert run(story())["series_limit"] == 1


def cells(log):
    """Time and value of each sample by its name, and the streams that were begun."""
    names, found = {}, []
    for partition, there in frames(log).items():
        for frame in there:
            known = names.setdefault((partition, frame.stream), [])
            known[frame.first :] = frame.names or known[frame.first :]
            found += [
                (known[n], t, v)
                for n, t, v in zip(frame.numbers, frame.times.tolist(), frame.values.tolist(), strict=True)
            ]
    return sorted(found), {stream for _, stream in names}


def test_pods_that_are_gone_are_forgotten_in_a_new_stream_and_nothing_is_lost(monkeypatch):
    """One service stays; others come and go, the first of them comes back. Requests come while frames are under way."""
    monkeypatch.setattr(module, "FEW_GONE", 3)
    sent = []

    async def story():
        log = Log(PARTITIONS, AT_MS)
        gateway = log.gateway(GatewayRules(linger_s=0, gone_after_s=300.0))
        put, widths = gateway._put, []

        async def slow(partition, data):
            await asyncio.sleep(0)
            await put(partition, data)

        gateway._put = slow
        for minute in range(60):
            log.now_ms = AT_MS + 60_000 * minute
            series = [requests("stays"), requests(f"pod{minute // 2}"), requests("pod0" if minute > 50 else "stays2")]
            sent.extend((key_of(one), log.now_ms, float(minute)) for one in series)
            writes = [gateway.write(body(one, value=minute, time_ms=log.now_ms), HEADERS) for one in series]
            tasks = [asyncio.create_task(write) for write in writes]
            for task in tasks:
                await asyncio.sleep(0)
                await task
            widths.append(len(gateway.series))
        return log, widths

    log, widths = run(story())
    found, streams = cells(log)
    assert found == sorted(sent)
    assert max(widths) <= 2 + 2 * 5 + 3 + 2
    assert len(streams) >= 3
