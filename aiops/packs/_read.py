"""From the mappings of a pack file to recipes, signals and edge rules; what is unknown or contradictory is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from aiops.model import Direction, Kind, Signal
from aiops.packs._fields import Fields
from aiops.packs._recipe import EdgeRule, Form, Recipe, Selector
from aiops.packs.keys import PEER_LABEL, SERVICE_LABEL
from aiops.packs.selector import LABEL_NAME, parse_selector

_SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TRAFFIC_FORMS = ("ratio", "mean", "quantile")
_TO_FORMS = ("ratio", "mean", "level_ratio")
_MOST = 1e15
"""No threshold in any unit is larger (chosen: a petabyte)."""


def read_recipe(fields: Fields, pack: str, service: tuple[str, ...], known: Mapping[str, Signal]) -> Recipe:
    """One recipe; `service` are the labels that name the service unless it says otherwise."""
    form: Any = fields.text("form", choices=get_args(Form))
    agg: Any = fields.text("agg", "sum", ("sum", "max", "min", "avg"))
    recipe = Recipe(
        pack=pack,
        signal=read_signal(fields, fields.text("signal"), known),
        form=form,
        of=read_selector(fields, "of"),
        to=read_selector(fields, "to") if "to" in fields else None,
        service=read_labels(fields, "service", service),
        peer=read_labels(fields, "peer", ()),
        by=read_labels(fields, "by", ()),
        agg=agg,
        q=fields.number("q", 0.95, 0.001, 0.999),
        scale=fields.number("scale", 1.0, 1e-12, 1e12),
    )
    _check(fields, recipe)
    fields.finish()
    return recipe


def read_signal(fields: Fields, name: str, known: Mapping[str, Signal]) -> Signal:
    """What a signal means: as the catalogue says, with other thresholds if given; in full if it is a new one.

    A name must mean the same wherever it comes from, so kind, unit and direction of a known signal cannot be changed.
    """
    if not _SIGNAL_NAME.fullmatch(name):
        raise fields.error("signal", f"must be lower case letters, digits and _, is {name[:60]!r}")
    base = known.get(name)
    kind: Any = fields.text("kind", base.kind if base else None, get_args(Kind))
    direction: Any = fields.text("direction", base.direction if base else None, get_args(Direction))
    signal = Signal(
        name=name,
        kind=kind,
        unit=fields.text("unit", base.unit if base else ""),
        direction=direction,
        pages=fields.flag("pages", default=base.pages if base else False),
        min_absolute=fields.number("min_absolute", base.min_absolute if base else None, 0, _MOST),
        min_relative=fields.number("min_relative", base.min_relative if base else None, 0, _MOST),
        min_traffic=fields.number("min_traffic", base.min_traffic if base else 0, 0, _MOST),
        description=fields.text("description", base.description if base else None),
    )
    for key in ("kind", "unit", "direction"):
        if base and getattr(base, key) != getattr(signal, key):
            raise fields.error(key, f"{name} is known as {getattr(base, key)!r}; give the signal another name")
    return signal


def read_edge(fields: Fields, pack: str) -> EdgeRule:
    """One edge rule."""
    caller, callee = read_labels(fields, "caller"), read_labels(fields, "callee")
    rule = EdgeRule(pack, read_selector(fields, "of"), caller, callee)
    if not caller or not callee or set(caller) & set(callee):
        raise fields.error("callee", "caller and callee must be named by labels, and by different ones")
    fields.finish()
    return rule


def read_selector(fields: Fields, name: str) -> Selector:
    """A selector written like PromQL."""
    return parse_selector(fields.text(name), fields.where, fields.path(name))


def read_labels(fields: Fields, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of label names."""
    labels = fields.texts(name, default)
    for label in labels:
        if not LABEL_NAME.fullmatch(label) or label.startswith("__") or label in (SERVICE_LABEL, PEER_LABEL):
            raise fields.error(name, f"must be label names, found {label[:60]!r}")
    return labels


def _check(fields: Fields, recipe: Recipe) -> None:
    if (recipe.to is not None) != (recipe.form in _TO_FORMS):
        rule = "needs a denominator" if recipe.to is None else "takes no denominator"
        raise fields.error("to", f"form {recipe.form} {rule}")
    if recipe.form == "quantile" and not recipe.of.metric.endswith("_bucket"):
        raise fields.error("of", f"form quantile reads the _bucket series of a histogram, not {recipe.of.metric}")
    if "q" in fields and recipe.form != "quantile":
        raise fields.error("q", f"form {recipe.form} has no quantile")
    if "agg" in fields and recipe.form not in ("gauge", "level_ratio"):
        raise fields.error("agg", f"form {recipe.form} always sums")
    if "min_traffic" in fields and recipe.form not in _TRAFFIC_FORMS:
        raise fields.error("min_traffic", f"form {recipe.form} has no traffic")
    if not recipe.service:
        raise fields.error("service", "must name at least one label")
    labels = [*recipe.service, *recipe.peer, *recipe.by]
    if "le" in labels or len(set(labels)) != len(labels):
        raise fields.error("by", "service, peer and by must be different labels, and none of them le")
