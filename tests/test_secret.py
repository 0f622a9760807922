import copy
import json
import logging
import pickle  # noqa: TID251 - it must not work
from dataclasses import asdict, dataclass

import pytest

from aiops.secret import Secret


@dataclass(frozen=True)
class Holder:
    token: Secret


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda s: "%s %r" % (s, s)])  # noqa: UP031
def test_it_prints_as_secret_whoever_asks(show):
    assert "hush" not in show(Secret("hush"))
    assert "hush" not in show(Holder(Secret("hush")))
    assert "<secret>" in show(Secret("hush"))


def test_it_does_not_reach_a_log(caplog):
    logging.getLogger("x").warning("got %s and %r", Secret("hush"), [Secret("hush")])
    assert "hush" not in caplog.text


def test_it_is_not_serialised():
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(Secret("hush"))
    with pytest.raises(TypeError):
        json.dumps(Secret("hush"))


def test_it_survives_copying():
    secret = Secret("hush")
    assert copy.copy(secret) is secret
    assert asdict(Holder(secret))["token"] == secret


def test_equal_texts_are_equal_secrets_and_nothing_else_is():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x").reveal() == "x"
