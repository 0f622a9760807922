import math

from aiops import words

NAN = math.nan


def test_numbers_that_are_none_are_said_in_words() -> None:
    assert words.plain(NAN) == words.quantity(math.inf, "s") == words.plain_percent(NAN) == "no value"
    assert words.size(NAN, NAN) == "no data"
    assert words.size(5.0, NAN, "s") == "5 s"
    assert words.how_rare(NAN) == "not known"


def test_every_size_of_number_stays_short() -> None:
    said = [words.plain(v) for v in (0.0, 1e-9, 0.00002, 0.9999, 9.996, 99.96, 1e5, 25e6, 3e9, 1e15, -5.5)]
    assert said == [
        "0",
        "1.0e-09",
        "0.00002",
        "1",
        "10",
        "100",
        "100,000",
        "25 million",
        "3 billion",
        "1.00e+15",
        "-5.5",
    ]


def test_units_are_scaled_to_what_people_use() -> None:
    said = [
        words.quantity(5e-5, "s"),
        words.quantity(119.0, "seconds"),
        words.quantity(7200.0, "s"),
        words.quantity(3 * 86400.0, "s"),
        words.quantity(3.0, "s/s"),
        words.quantity(0.0, "bytes"),
        words.quantity(1500.0, "bytes/s"),
        words.quantity(-(2.0**40), "B"),
        words.quantity(0.5, "ratio"),
        words.quantity(50.0, "%"),
        words.quantity(3.0),
    ]
    assert said == [
        "50 µs",
        "119 s",
        "2 h",
        "3 d",
        "3 s/s",
        "0 B",
        "1.46 KiB/s",
        "-1 TiB",
        "50%",
        "50%",
        "3",
    ]


def test_a_size_says_how_far_a_value_is_from_the_expected_one() -> None:
    assert words.size(23.0, 1.0) == "23, 23x the expected 1"
    assert words.size(1.2, 1.0) == "1.2, 20% above the expected 1"
    assert words.size(1.0, 1.0) == "1, 100% of the expected 1"
    assert words.size(5000.0, 1.0) == "5,000 where 1 is expected"
    assert words.size(-1.0, 1.0) == "-1 where 1 is expected"
    assert words.size(7.0, 5.0, "req/s", "absent") == "no data where 5 req/s is expected"


def test_rarity_in_words_never_promises_more_than_the_number() -> None:
    assert words.how_rare(math.log10(30)) == "rarer than once in 30 days"
    assert words.how_rare(math.log10(29)) == "rarer than once in a week"
    assert words.how_rare(0.0) == "rarer than once in a day"
    assert words.how_rare(-0.1) == "about once a day"
    assert words.how_rare(-math.inf) == "about 1000 times a day"
    assert words.how_rare(math.inf) == words.how_rare(500.0) == "rarer than once in 10 years"


def test_spans_have_two_units_and_are_never_negative() -> None:
    assert [words.span(ms) for ms in (-5, 59_000, 61_000, 3_605_000, 90_061_000)] == [
        "0 s",
        "59 s",
        "1 min 1 s",
        "1 h",
        "1 d 1 h",
    ]


def test_moments_no_calendar_holds_do_not_fail() -> None:
    assert words.moment(10**18) == words.clock(10**18) == "1000000000000000000 ms"
    assert words.clock(1_700_000_000_000) == "14 Nov 22:13 UTC"
