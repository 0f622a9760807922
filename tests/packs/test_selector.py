from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import ConfigError
from aiops.packs import Matcher, Selector
from aiops.packs.selector import parse_selector, selector_text

names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True)
labels = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True).filter(lambda name: name != "__name__")
values = st.text(max_size=30)
plain = st.builds(Matcher, labels, st.sampled_from(["=", "!="]), values)
patterned = st.builds(
    Matcher, labels, st.sampled_from(["=~", "!~"]), values.map(lambda v: re.sub(r"\W", ".", v, flags=re.ASCII))
)
selectors = st.builds(Selector, names, st.lists(plain | patterned, max_size=4).map(tuple))


@given(selectors)
def test_a_selector_written_out_and_read_again_is_the_same(selector: Selector):
    assert parse_selector(selector_text(selector)) == selector


@given(st.text(max_size=40) | st.text(alphabet="ab{}=\"~!,\\`' ", max_size=40))
def test_any_text_is_a_selector_or_a_config_error(text: str):
    try:
        selector = parse_selector(text, "pack.yaml", "of")
    except ConfigError as error:
        found = str(error)
    else:
        found = "pack.yaml: of: selector "
        assert parse_selector(selector_text(selector)) == selector
    assert found.startswith("pack.yaml: of: selector ")


def test_every_way_promql_writes_strings_is_read():
    text = 'm{a="q\\"\\\\\\n\\u00e4\\x41\\101", b=\'it\\\'s\', c=`\\d+`, d=~"5..", }'
    assert [m.value for m in parse_selector(text).matchers] == ['q"\\\näAA', "it's", "\\d+", "5.."]


def test_spaces_and_a_closing_comma_are_allowed_and_an_empty_brace_selects_all():
    assert parse_selector("  up { job = `x` , } ") == Selector("up", (Matcher("job", "=", "x"),))
    assert parse_selector("up{}") == parse_selector("up") == Selector("up")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "expected a metric name at column 1, found the end"),
        ('{job="a"}', "expected a metric name at column 1"),
        ("up[5m]", "expected '{' or the end at column 3, found '[5m]'"),
        ('up{job="a"} offset 5m', "expected the end at column 13"),
        ('up{job="a"', "expected ',' or '}' at column 11, found the end"),
        ('up{job="a" b="c"}', "expected ',' or '}' at column 12"),
        ('up{,job="a"}', "expected a label name or '}' at column 4"),
        ('up{job=="a"}', "expected a quoted value at column 8"),
        ('up{job>"a"}', "expected =, !=, =~ or !~"),
        ("up{job=a}", "expected a quoted value"),
        ('up{job="a\nb"}', "expected a quoted value"),
        ('up{__name__="down"}', "__name__ cannot be matched"),
        (r'up{job=~"\d+"}', r"unknown escape \d"),
        (r'up{job="\xff"}', "is not a character"),
        (r'up{job="\U00110000"}', "is not a character"),
        (r'up{job="\ud800"}', "valid Unicode"),
        ('up{job=~"("}', "regular expression is not valid"),
        ('up{job=~"(?i"}', "regular expression is not valid"),
    ],
)
def test_an_error_says_what_was_expected_and_where(text: str, rule: str):
    with pytest.raises(ConfigError, match=re.escape(rule)):
        parse_selector(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)b",
        "(?<!a)b",
        "(a)\\\\1",
        "a*+",
        "a++",
        "[[:alpha:]]",
        "\\\\pL",
        "(?x) a",
        "a{,3}",
        "a{1001}",
        "a\\\\Z",
        "(?P=x)",
    ],
)
def test_a_pattern_python_and_prometheus_read_differently_is_refused(pattern: str):
    with pytest.raises(ConfigError, match="regular expression"):
        parse_selector(f'up{{job=~"{pattern}"}}')


@pytest.mark.parametrize(
    ("text", "accepted", "refused"),
    [
        ('m{code=~"5.."}', {"code": "500"}, {"code": "5000"}),
        ('m{code!~"5.."}', {}, {"code": "503"}),
        ('m{job!=""}', {"job": "a"}, {}),
        ('m{job=""}', {}, {"job": "a"}),
        ('m{job=~"a|"}', {}, {"job": "b"}),
    ],
)
def test_a_missing_label_matches_as_an_empty_one(text: str, accepted: dict[str, str], refused: dict[str, str]):
    selector = parse_selector(text)
    assert selector.accepts({"__name__": "m", **accepted})
    assert not selector.accepts({"__name__": "m", **refused})
    assert not selector.accepts({"__name__": "other", **accepted})
