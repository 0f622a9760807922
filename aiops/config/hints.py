"""What a wrong setting could have been: names and values that exist at the place where a rule was broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def hint(kind: type, place: str, rule: str, value: Any) -> str:
    """Say what would have been right, to put behind the rule; empty when the rule says so itself.

    Parameters
    ----------
    kind : structure that `value` was read as
    place, rule : of the error, such as `notifiers[0]` and "Object contains unknown field `ulr`"
    value : what was read
    """
    if rule.startswith("Expected `array`"):
        return "; wanted is a list: write `- ` before each entry"
    if rule.endswith("got `null`"):
        return "; leave the key out or give it a value"
    wrong = re.search(r"(unknown field|[Ii]nvalid (?:enum )?value) [`'](.*)[`']$", rule)
    if wrong is None:
        return ""
    # The word that tells kinds of receivers apart is asked of the receiver, which it is no field of.
    at = place.removesuffix(".kind") if rule.startswith("Invalid value") else place
    known = sorted(set(_known(inspect.type_info(kind), _STEP.findall(at), value)))
    near = get_close_matches(wrong[2], known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known are {', '.join(f'`{one}`' for one in known)}" if known else ""


def _known(info: Any, steps: list[tuple[str, str]], value: Any) -> Iterator[str]:
    """Names of fields, or values, of the type that the steps lead to."""
    if isinstance(info, inspect.Metadata):
        yield from _known(info.type, steps, value)
    elif isinstance(info, inspect.UnionType):
        for one in _meant(info, value, last=not steps):
            yield from _known(one, steps, value)
    elif isinstance(info, inspect.LiteralType):
        yield from map(str, info.values)
    elif isinstance(info, inspect.ListType):
        yield from _known(info.item_type, steps[1:], value[int(steps[0][0])]) if steps else ["[...]"]
    elif isinstance(info, inspect.StructType) and steps:
        for field in info.fields:
            if field.encode_name == steps[0][1]:
                yield from _known(field.type, steps[1:], value[field.encode_name])
    elif isinstance(info, inspect.StructType):
        yield from (field.encode_name for field in info.fields)


def _meant(info: inspect.UnionType, value: Any, *, last: bool) -> Iterator[Any]:
    """Of several structures the one whose tag is there; where no tag fits, the tags themselves are what is known."""
    tagged = [one for one in info.types if isinstance(one, inspect.StructType) and one.tag_field]
    fitting = [one for one in tagged if value.get(one.tag_field) == one.tag]
    if tagged and not fitting and last:
        yield inspect.LiteralType(tuple(str(one.tag) for one in tagged))
    yield from fitting or (one for one in info.types if one not in tagged)
