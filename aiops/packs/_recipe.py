"""What a signal pack says: for metrics people really have, how a signal is computed and what it means.

A recipe is data, not PromQL, so that one definition serves both ways in: `promql.py` turns it into a query for pulled
data, and pushed samples are put through the same arithmetic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from aiops.model import Signal

Form = Literal["gauge", "rate", "ratio", "mean", "quantile", "level_ratio"]
"""How raw series become the signal, per group of the recipe's labels:

gauge        agg(of)
rate         sum(rate(of))
ratio        sum(rate(of)) / sum(rate(to)), 0 where `of` has no series and `to` is above 0
mean         sum(rate(of)) / sum(rate(to)): of = `_sum`, to = `_count`
quantile     histogram_quantile(q, sum by (le)(rate(of))): of = `_bucket`
level_ratio  agg(of) / agg(to), both gauges
"""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher of a selector."""

    label: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str

    def accepts(self, value: str) -> bool:
        """Tell whether a label value (missing = "") passes, as Prometheus would decide it."""
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return (_pattern(self.value).fullmatch(value) is not None) == (self.op == "=~")


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL | re.ASCII)  # as RE2 reads a dot, \d and \w


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric name with matchers on its labels."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def accepts(self, labels: dict[str, str]) -> bool:
        """Tell whether a series with these labels (with `__name__`) is selected."""
        return labels.get("__name__") == self.metric and all(m.accepts(labels.get(m.label, "")) for m in self.matchers)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one signal is computed.

    The first recipe that shows a series owns it: `aiops.packs.keys.Owners`.

    Parameters
    ----------
    pack : name of the pack it comes from
    of, to : numerator (or only) selector, and denominator for ratios and means
    service : labels that may name the service, the first non-empty one of a series wins
    peer : the same for the callee when the signal belongs to a call; () otherwise
    by : further labels that keep series apart
    agg : how gauges of one group are joined
    q : quantile, for form `quantile`
    scale : factor into the signal's unit (0.001 for milliseconds)
    """

    pack: str
    signal: Signal
    form: Form
    of: Selector
    to: Selector | None = None
    service: tuple[str, ...] = ("service",)
    peer: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    agg: Literal["sum", "max", "min", "avg"] = "sum"
    q: float = 0.95
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """Where calls between services can be read from: any live series of `of` is an edge caller -> callee."""

    pack: str
    of: Selector
    caller: tuple[str, ...]
    callee: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """One YAML file: recipes and edge rules for one family of exporters.

    `detect` names metrics of which any one present says that the pack applies. Where two packs give one signal for one
    service, the pack with the lower `order` does.
    """

    name: str
    title: str
    detect: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    edges: tuple[EdgeRule, ...] = ()
    order: int = 0
