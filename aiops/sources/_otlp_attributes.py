"""What is read of OTLP messages one at a time: attributes as text, and the quantiles of summaries."""

from __future__ import annotations

import base64
import json
import math
import struct

import numpy as np

from aiops.errors import InputError
from aiops.sources._pushed_samples import fields

_DEEPEST = 16
"""Lists and maps within each other; chosen, attributes of metrics have none."""

_QUANTILE_VALUES, _QUANTILE, _VALUE = 50, 9, 17  # tags of SummaryDataPoint.6, ValueAtQuantile.1 and .2

_JSON = bool | int | float | str | list["_JSON"] | dict[str, "_JSON"] | None


def attributes_of(data: bytes, start: int, end: int, tag: int) -> list[tuple[str, str]]:
    """The attributes among the fields of a message, each value as the text a label gets; a later name replaces none.

    Parameters
    ----------
    tag : of the attribute fields in this message

    Raises
    ------
    InputError : not protobuf, not UTF-8, or nested too deeply
    """
    return [
        _key_value(data, value_start, value_end)
        for found, _, value_start, value_end in fields(data, start, end)
        if found == tag
    ]


def text_of(data: bytes, start: int, end: int) -> str:
    """A string field."""
    try:
        return data[start:end].decode()
    except UnicodeDecodeError as error:
        raise InputError(f"a text is not UTF-8: {error.reason} at byte {start + error.start}") from None


def number_text(value: float) -> str:
    """A number as Go writes it with 'f' format and as few digits as tell it apart.

    >>> number_text(0.005), number_text(1e21), number_text(100.0), number_text(float("inf"))
    ('0.005', '1000000000000000000000', '100', '+Inf')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")


def quantiles_of(raw: bytes, start: int, end: int) -> list[tuple[float, float]]:
    """Quantiles and their values, in the order sent. Raises `InputError` for what is no protobuf."""
    found = []
    for tag, _, at, stop in fields(raw, start, end):
        if tag == _QUANTILE_VALUES:
            numbers = {_QUANTILE: 0.0, _VALUE: 0.0}
            for inner, _, inner_at, _ in fields(raw, at, stop):
                if inner in numbers:
                    numbers[inner] = struct.unpack_from("<d", raw, inner_at)[0]
            found.append((numbers[_QUANTILE], numbers[_VALUE]))
    return found


def _key_value(data: bytes, start: int, end: int) -> tuple[str, str]:
    name, text = "", ""
    for tag, _, value_start, value_end in fields(data, start, end):
        if tag == 10:
            name = text_of(data, value_start, value_end)
        elif tag == 18:
            text = _label_value(_any_value(data, value_start, value_end, _DEEPEST))
    return name, text


def _any_value(data: bytes, start: int, end: int, depth: int) -> _JSON | bytes:
    """The last value of an AnyValue, as protobuf reads a `oneof`."""
    found: _JSON | bytes = None
    for tag, _, at, stop in fields(data, start, end):
        if tag == 10:
            found = text_of(data, at, stop)
        elif tag in (16, 24):
            number = _varint_value(data, at, stop)
            found = bool(number) if tag == 16 else number - (1 << 64) * (number >> 63)
        elif tag == 33:
            found = struct.unpack_from("<d", data, at)[0]
        elif tag == 58:
            found = data[at:stop]
        elif tag in (42, 50):
            if depth == 0:
                raise InputError(f"an attribute is nested deeper than {_DEEPEST} levels")
            found = _list(data, at, stop, depth - 1) if tag == 42 else _map(data, at, stop, depth - 1)
    return found


def _list(data: bytes, start: int, end: int, depth: int) -> list[_JSON]:
    return [_plain(_any_value(data, at, stop, depth)) for tag, _, at, stop in fields(data, start, end) if tag == 10]


def _map(data: bytes, start: int, end: int, depth: int) -> dict[str, _JSON]:
    found: dict[str, _JSON] = {}
    for tag, _, at, stop in fields(data, start, end):
        if tag != 10:
            continue
        name, value = "", None
        for inner, _, inner_at, inner_stop in fields(data, at, stop):
            if inner == 10:
                name = text_of(data, inner_at, inner_stop)
            elif inner == 18:
                value = _plain(_any_value(data, inner_at, inner_stop, depth))
        found[name] = value
    return found


def _plain(value: _JSON | bytes) -> _JSON:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    # JSON knows no NaN and no infinities.
    return number_text(value) if isinstance(value, float) and not math.isfinite(value) else value


def _label_value(value: _JSON | bytes) -> str:
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float):
        return _double_text(plain)
    if isinstance(plain, int):
        return str(plain)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _double_text(value: float) -> str:
    """A double as JSON of Go has it: exponents only below 1e-6 and from 1e21 on."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return number_text(value)
    mantissa, _, exponent = np.format_float_scientific(value, trim="-").partition("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:])}"


def _varint_value(data: bytes, start: int, end: int) -> int:
    value = 0
    for i in range(start, end):
        value |= (data[i] & 127) << (7 * (i - start))
    return value & 0xFFFFFFFFFFFFFFFF
