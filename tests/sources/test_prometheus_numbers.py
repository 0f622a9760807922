import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.sources import _prometheus_numbers as numbers


def scan(texts, step_ms=1000, rows=None, times=None):
    times = times or range(len(texts))
    raw = ("[" + ",".join(f'[{t},"{x}"]' for t, x in zip(times, texts, strict=True)) + "]").encode()
    return scan_raw(raw, step_ms, rows or len(texts))


def scan_raw(raw, step_ms=1000, rows=4):
    out, counts = np.full(rows, np.nan), np.zeros(5, np.int64)
    code = numbers.scan(np.frombuffer(raw, np.uint8), 0, step_ms, numbers.powers(), out, counts)
    return code, out, dict(zip(numbers.REASONS, counts.tolist(), strict=True))


def same_bits(found, texts):
    np.testing.assert_array_equal(found.view(np.uint64), np.array([float(x) for x in texts]).view(np.uint64))


def test_numbers_of_every_size_have_the_bits_that_python_gives_them():
    rng = random.Random(11)
    texts = [repr(rng.random() * 5) for _ in range(60_000)]
    texts += [repr(rng.gauss(0, 1) * 10.0 ** rng.randint(-40, 40)) for _ in range(60_000)]
    texts += [str(rng.randint(-(10**18), 10 ** rng.randint(1, 19) - 1)) for _ in range(40_000)]
    texts += [f"{rng.randint(1, 10**19 - 1)}e{rng.randint(-40, 40)}" for _ in range(40_000)]
    code, out, counts = scan(texts)
    assert code == 0
    assert counts["samples"] == len(texts)
    same_bits(out, texts)


def test_numbers_half_way_between_two_doubles_are_rounded_as_python_rounds_them():
    rng = random.Random(5)
    texts = []
    for _ in range(20_000):
        mantissa, shift = rng.getrandbits(52) | 1 << 52, rng.randint(1, 9)
        tie = (2 * mantissa + 1) << shift - 1 if shift > 1 else 2 * mantissa + 1
        texts += [str(tie), str(tie - 1), str(tie + 1)]
        texts.append(f"{(2 * (mantissa >> 8) + 1) * 5**3}e-3")
    texts = [t for t in texts if len(t.split("e")[0]) <= 19]
    assert len(texts) > 40_000
    code, out, _ = scan(texts)
    assert code == 0
    same_bits(out, texts)


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_double_is_read_exactly_or_left_to_python(value):
    code, out, _ = scan([repr(value)])
    if code == 0:
        same_bits(out, [repr(value)])
    else:
        assert value != 0
        assert not 1e-40 < abs(value) < 1e40


@pytest.mark.parametrize("text", ["0", "-0", "0.0", "0.000001234567890123456", "1e-07", "1.5e+21", "5E3", "007", "1."])
def test_spellings_that_servers_use_are_read(text):
    code, out, _ = scan([text, "1"])
    assert code == 0
    same_bits(out[:1], [text])


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1e", "1e+", "1x", "abc", "12345678901234567890", "1e4000", "Infinity!"]
)
def test_what_is_not_plain_is_left_to_python(text):
    assert scan([text])[0] == numbers.UNDECIDED


def test_nan_and_infinities_are_nan_and_counted():
    code, out, counts = scan(["NaN", "+Inf", "-Inf", "Inf", "2"])
    assert code == 0
    assert np.isnan(out[:4]).all()
    assert out[4] == 2
    assert (counts["nan"], counts["infinite"], counts["samples"]) == (1, 3, 5)


def test_off_grid_and_duplicate_samples_are_counted_and_the_last_one_of_a_step_stays():
    code, out, counts = scan(["1", "2", "3", "4"], times=["0", "0.000", "0.5", "7"], rows=3)
    assert code == 0
    assert out[0] == 2
    assert np.isnan(out[1:]).all()
    assert (counts["duplicate_sample"], counts["off_grid"]) == (1, 2)


def test_fractions_of_a_second_land_on_their_step():
    times = [f"{1_700_000_000 + k * 0.25:.2f}" for k in range(1000)]
    raw = ("[" + ",".join(f'[{t},"1"]' for t in times) + "]").encode()
    out, counts = np.full(1000, np.nan), np.zeros(5, np.int64)
    assert numbers.scan(np.frombuffer(raw, np.uint8), 1_700_000_000_000, 250, numbers.powers(), out, counts) == 0
    assert (out == 1).all()


def test_an_empty_list_is_fine_and_blanks_are_left_to_python():
    assert scan_raw(b"[]")[0] == 0
    for raw in (b" []", b"[ ]", b'[[0, "1"]]', b'[[0,"1"] ]', b'[[0,"1"],\n[1,"2"]]', b"", b"["):
        assert scan_raw(raw)[0] == numbers.UNDECIDED


@pytest.mark.parametrize("time", ["-1", "1e3", "", "1.0005", "9999999999999", ".5", '"1"'])
def test_unusual_times_are_left_to_python(time):
    assert scan(["1"], times=[time])[0] == numbers.UNDECIDED


def test_every_cut_and_every_flipped_byte_ends_without_reading_outside():
    whole = b'[[0,"1.5"],[1,"NaN"],[2,"-3e2"]]'
    for end in range(len(whole)):
        assert scan_raw(whole[:end])[0] == numbers.UNDECIDED
    rng = random.Random(3)
    for _ in range(3000):
        spoilt = bytearray(whole)
        spoilt[rng.randrange(len(whole))] = rng.randrange(256)
        code, out, _ = scan_raw(bytes(spoilt))
        try:
            pairs = msgspec.json.decode(spoilt, type=list[tuple[float, str]])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if code == 0 and len({p[0] for p in pairs}) == 3:
            on_grid = {int(t): float(v) for t, v in pairs if t in (0, 1, 2, 3)}
            assert all(np.isnan(v) or out[t] == v or np.isinf(v) for t, v in on_grid.items())


def test_no_byte_outside_the_text_is_read():
    # Compiled code would not notice; the same function uncompiled raises IndexError.
    whole = b'[[1700000000.125,"1.5e+3"],[1,"NaN"],[2,"-0.002"],[3,"+Inf"]]'
    rng = random.Random(4)
    texts = [whole[:end] + b"]" for end in range(len(whole))]
    for _ in range(1500):
        spoilt = bytearray(whole[: rng.randrange(2, len(whole) + 1)])
        for _ in range(rng.randint(1, 3)):
            spoilt[rng.randrange(len(spoilt))] = rng.choice(b'[],".-+eE0123456789NaInf ')
        texts.append(bytes(spoilt) + rng.choice([b"", b"]", b"]]"]))
    with np.errstate(over="ignore"):
        for text in texts:
            out, counts = np.full(4, np.nan), np.zeros(5, np.int64)
            buffer = np.frombuffer(text, np.uint8)
            plain = numbers.scan.py_func(buffer, 0, 1000, numbers.powers(), out, counts)
            again = np.full(4, np.nan)
            compiled = numbers.scan(buffer, 0, 1000, numbers.powers(), again, np.zeros(5, np.int64))
            assert plain == compiled
            np.testing.assert_array_equal(out, again)
