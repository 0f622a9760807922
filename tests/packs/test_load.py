from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiops.errors import ConfigError
from aiops.packs.load import built_in, catalogue, load_all, load_pack, parse_recipes

PACK = """
pack: shop
detect: [shop_requests_total]
recipes:
  - {signal: requests_rate, form: rate, of: shop_requests_total}
"""
RECIPE = {"signal": "requests_rate", "form": "rate", "of": "shop_requests_total"}


def written(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_pack_takes_the_meaning_of_signals_from_the_catalogue(tmp_path: Path):
    pack = load_pack(written(tmp_path, PACK))
    assert (pack.name, pack.title, pack.order) == ("shop", "shop", 0)
    assert pack.recipes[0].signal == catalogue()["requests_rate"]
    assert pack.recipes[0].service[0] == "service"


def test_thresholds_may_differ_from_the_catalogue():
    (recipe,) = parse_recipes([{**RECIPE, "min_absolute": 5, "pages": False, "description": "Orders"}], "aiops.yaml")
    assert recipe.signal.min_absolute == 5.0
    assert not recipe.signal.pages
    assert recipe.signal.min_relative == catalogue()["requests_rate"].min_relative
    assert recipe.pack == "config"


def test_a_new_signal_is_told_in_full():
    meaning = {
        "kind": "errors",
        "direction": "up",
        "min_absolute": 1,
        "min_relative": 0.5,
        "description": "Lost orders",
    }
    (recipe,) = parse_recipes([{**RECIPE, "signal": "orders_lost", **meaning}], "aiops.yaml")
    assert (recipe.signal.kind, recipe.signal.pages, recipe.signal.unit) == ("errors", False, "")
    for key in meaning:
        without = {name: value for name, value in meaning.items() if name != key}
        with pytest.raises(ConfigError, match=rf"^aiops.yaml: signals\[0\]\.{key}: is missing$"):
            parse_recipes([{**RECIPE, "signal": "orders_lost", **without}], "aiops.yaml")


QUANTILE = {"signal": "latency_p95", "form": "quantile", "of": "d_bucket"}


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        ([], "signals[0]: must be a mapping, is a list"),
        ({1: 2}, "signals[0]: keys must be text, found 1"),
        ({}, "signals[0].form: is missing"),
        ({**RECIPE, "from": "x"}, "signals[0].from: is not known here; known are agg, by, "),
        ({**RECIPE, "form": "sum"}, "signals[0].form: must be one of gauge, rate, ratio, "),
        ({**RECIPE, "signal": "Requests"}, "signals[0].signal: must be lower case letters"),
        ({**RECIPE, "kind": "latency"}, "signals[0].kind: requests_rate is known as 'traffic'"),
        ({**RECIPE, "direction": "up"}, "signals[0].direction: requests_rate is known as 'down'"),
        ({**RECIPE, "of": "m{"}, "signals[0].of: selector 'm{': expected a label name"),
        ({**RECIPE, "of": ""}, "signals[0].of: must be text, is ''"),
        ({**RECIPE, "of": ["m"]}, "signals[0].of: must be text, is a list"),
        ({**RECIPE, "to": "m"}, "signals[0].to: form rate takes no denominator"),
        ({**RECIPE, "form": "ratio"}, "signals[0].to: form ratio needs a denominator"),
        ({**RECIPE, "q": 0.5}, "signals[0].q: form rate has no quantile"),
        ({**RECIPE, "agg": "max"}, "signals[0].agg: form rate always sums"),
        ({**RECIPE, "min_traffic": 1}, "signals[0].min_traffic: form rate has no traffic"),
        ({**RECIPE, "service": []}, "signals[0].service: must name at least one label"),
        ({**RECIPE, "service": ["a b"]}, "signals[0].service: must be label names, found 'a b'"),
        ({**RECIPE, "service": ["__name__"]}, "signals[0].service: must be label names"),
        ({**RECIPE, "service": 5}, "signals[0].service: must be a list of texts, is 5"),
        ({**RECIPE, "by": ["pod", "pod"]}, "signals[0].by: must not name anything twice"),
        ({**RECIPE, "by": ["job"]}, "signals[0].by: service, peer and by must be different labels"),
        ({**RECIPE, "scale": "1e-3"}, "signals[0].scale: must be a number such as 0.001, is '1e-3'"),
        ({**RECIPE, "scale": 0}, "signals[0].scale: must be between 1e-12 and 1e+12, is 0"),
        ({**RECIPE, "min_absolute": float("nan")}, "signals[0].min_absolute: must be a number"),
        ({**RECIPE, "min_relative": True}, "signals[0].min_relative: must be a number such as 0.001, is True"),
        ({**RECIPE, "pages": "yes"}, "signals[0].pages: must be true or false, is 'yes'"),
        ({**QUANTILE, "of": "d_count"}, "signals[0].of: form quantile reads the _bucket series"),
        ({**QUANTILE, "q": 1}, "signals[0].q: must be between 0.001 and 0.999, is 1"),
        (
            {**QUANTILE, "by": ["le"]},
            "signals[0].by: service, peer and by must be different labels, and none of them le",
        ),
    ],
)
def test_a_wrong_recipe_is_told_by_file_key_and_rule(recipe: object, error: str):
    with pytest.raises(ConfigError, match="^" + re.escape(f"aiops.yaml: {error}")):
        parse_recipes([recipe], "aiops.yaml")


def test_recipes_must_be_a_list():
    with pytest.raises(ConfigError, match=r"^aiops\.yaml: signals: must be a list, is a mapping$"):
        parse_recipes({}, "aiops.yaml")


def test_a_signal_twice_from_the_same_metrics_is_refused_and_from_others_is_not():
    assert len(parse_recipes([RECIPE, {**RECIPE, "of": "other_total"}], "aiops.yaml")) == 2
    with pytest.raises(ConfigError, match=r"signals\[1\].signal: requests_rate is given twice from the same metrics"):
        parse_recipes([RECIPE, RECIPE], "aiops.yaml")


def test_one_new_name_cannot_mean_two_things():
    new = {
        **RECIPE,
        "signal": "orders",
        "kind": "traffic",
        "direction": "down",
        "min_absolute": 1,
        "min_relative": 1,
        "description": "d",
    }
    with pytest.raises(ConfigError, match=r"signals\[1\].signal: orders has another kind, unit or direction"):
        parse_recipes([new, {**new, "of": "other_total", "direction": "up"}], "aiops.yaml")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must be a mapping, is empty"),
        ("- a", "must be a mapping, is a list"),
        ("a: [", "must be YAML: "),
        ("a: 1\n---\nb: 2", "must be YAML: "),
        ("a: &a [*a]\npack: b", "detect: is missing"),
        ("a: 2020-99-99", "must be YAML: "),
        ("[" * 5000, "must be YAML: "),
        ("a: \x00", "must be YAML: "),
        ("a: !!python/object:os.system x", "must be YAML: "),
        ("pack: a\npack: b", "pack: is given twice (line 2)"),
        ("{pack: a, detect: [a], recipes: []}", "must have at least one metric under detect"),
        ("{pack: a, detect: [], edges: [{of: m, caller: a, callee: b}]}", "must have at least one metric under detect"),
        ("{pack: a, detect: [a-b], edges: [{of: m, caller: a, callee: b}]}", "detect: must be metric names"),
        (
            "{pack: a, detect: [a], edges: [{of: m, caller: a, callee: a}]}",
            "edges[0].callee: caller and callee must be",
        ),
        ("{pack: a, detect: [a], edges: [{of: m, caller: a}]}", "edges[0].callee: is missing"),
        ("{pack: a, detect: [a], edges: [{of: m, caller: a, callee: b, x: 1}]}", "edges[0].x: is not known here"),
        ("{pack: a, detect: [a], edges: [&e {of: m, caller: a, callee: b}, *e]}", "edges[1].of: is given twice"),
        ("{pack: a, detect: [a], edges: [{of: m, caller: a, callee: b}], on: 1}", "keys must be text, found True"),
        ("{pack: a, detect: [a], edges: [{of: m, caller: a, callee: b}], extra: 1}", "extra: is not known here"),
    ],
)
def test_a_wrong_file_is_told_by_name_key_and_rule(tmp_path: Path, text: str, error: str):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match="^" + re.escape(f"{path}: {error}")):
        load_pack(path)


def test_a_file_that_is_missing_too_large_or_no_text_is_told(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory$"):
        load_pack(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="must be at most 1000000 bytes, is 1000001"):
        load_pack(written(tmp_path, "#" * 1_000_001))
    (tmp_path / "latin.yaml").write_bytes(b"pack: caf\xe9")
    with pytest.raises(ConfigError, match="must be UTF-8 text, is not at byte 9"):
        load_pack(tmp_path / "latin.yaml")


def test_own_packs_come_first_and_cannot_take_a_name(tmp_path: Path):
    own = written(tmp_path, PACK)
    assert list(load_all([own])) == ["shop", *built_in()]
    taken = written(tmp_path, PACK.replace("pack: shop", "pack: otel_http"), "taken.yaml")
    with pytest.raises(ConfigError, match=r"taken\.yaml: pack: 'otel_http' is the name of another pack"):
        load_all([own, taken])
