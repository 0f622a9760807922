"""Recipes as PromQL.

Rates are summed over the raw labels first, so that naming the service (a regular expression per series) is done on few
series. The name is written to labels of our own: two raw series may differ only in the part of the label that is cut
off, and PromQL refuses a result with two equal label sets.
"""

from __future__ import annotations

from dataclasses import replace

from aiops.packs._recipe import EdgeRule, Matcher, Recipe, Selector
from aiops.packs.keys import PEER_LABEL, PEER_PATTERN, SEPARATOR, SERVICE_LABEL, SERVICE_PATTERN
from aiops.packs.selector import quoted, selector_text


def query(recipe: Recipe, window_s: float) -> str:
    """The query whose results are the recipe's signal, named by `keys.series_key`.

    Parameters
    ----------
    window_s : length of the window rates are taken over, seconds; at least two scrape intervals, better four

    Raises
    ------
    ValueError : `window_s` is below a millisecond, or the recipe has no `to` where its form needs one
    """
    of = _joined(recipe, recipe.of, window_s)
    if recipe.form in ("gauge", "rate"):
        return _scaled(recipe, of)
    if recipe.form == "quantile":
        return _quantile(recipe, window_s)
    if recipe.to is None:
        raise ValueError(f"form {recipe.form} of {recipe.signal.name} needs a denominator")
    to = _guarded(recipe, _joined(recipe, recipe.to, window_s))
    if recipe.form == "ratio":
        return _scaled(recipe, f"({of} / {to} or {to} * 0)")
    return _scaled(recipe, f"({of} / {to})")


def count_query(recipe: Recipe, window_s: float) -> str:
    """How many series the recipe's query gives now, per service."""
    return f"count by ({SERVICE_LABEL}) ({query(recipe, window_s)})"


def edges_query(rule: EdgeRule, window_s: float) -> str:
    """One result per call that happened within the window, named by `keys.edge_of`."""
    raw = f"group by ({', '.join((*rule.caller, *rule.callee))}) (rate({_range(rule.of, window_s)}) > 0)"
    named = _named(_named(raw, SERVICE_LABEL, rule.caller, SERVICE_PATTERN), PEER_LABEL, rule.callee, PEER_PATTERN)
    return f"group by ({SERVICE_LABEL}, {PEER_LABEL}) ({named})"


def _quantile(recipe: Recipe, window_s: float) -> str:
    buckets = _joined(recipe, recipe.of, window_s, ("le",))
    everything = replace(recipe.of, matchers=(*recipe.of.matchers, Matcher("le", "=", "+Inf")))
    traffic = _guarded(recipe, _joined(recipe, everything, window_s))
    return _scaled(recipe, f"(histogram_quantile({recipe.q!r}, {buckets}) and {traffic})")


def _joined(recipe: Recipe, of: Selector, window_s: float, extra: tuple[str, ...] = ()) -> str:
    """One side of the signal: the selected series joined per service, callee and further labels."""
    is_gauge = recipe.form in ("gauge", "level_ratio")
    raw = selector_text(of) if is_gauge else f"rate({_range(of, window_s)})"
    agg = recipe.agg if is_gauge else "sum"
    if agg != "avg":  # an average of averages is not the average
        raw = f"{agg} by ({', '.join((*recipe.service, *recipe.peer, *recipe.by, *extra))}) ({raw})"
    named = _named(raw, SERVICE_LABEL, recipe.service, SERVICE_PATTERN)
    labels = [SERVICE_LABEL]
    if recipe.peer:
        named = _named(named, PEER_LABEL, recipe.peer, PEER_PATTERN)
        labels.append(PEER_LABEL)
    return f"{agg} by ({', '.join((*labels, *recipe.by, *extra))}) ({named})"


def _named(inner: str, target: str, labels: tuple[str, ...], pattern: str) -> str:
    source = labels[0]
    if len(labels) > 1:
        inner = f"label_join({inner}, {quoted(target)}, {quoted(SEPARATOR)}, {', '.join(map(quoted, labels))})"
        source = target
    return f"label_replace({inner}, {quoted(target)}, {quoted('$1')}, {quoted(source)}, {quoted(pattern)})"


def _guarded(recipe: Recipe, traffic: str) -> str:
    least = 0.0 if recipe.form == "level_ratio" else recipe.signal.min_traffic
    return f"({traffic} >= {least!r})" if least else f"({traffic} > 0)"


def _scaled(recipe: Recipe, inner: str) -> str:
    return inner if recipe.scale == 1.0 else f"{inner} * {recipe.scale!r}"


def _range(selector: Selector, window_s: float) -> str:
    milliseconds = round(window_s * 1000)
    if milliseconds < 1:
        raise ValueError(f"window_s must be at least 0.001, got {window_s}")
    length = f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
    return f"{selector_text(selector)}[{length}]"
