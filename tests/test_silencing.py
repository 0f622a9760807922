"""What people may ask of silences, and what is written down of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import InputError, NotFound, NotPermitted, Reject, Retry
from aiops.silence import Matcher, Silence, proposal
from aiops.silencing import LONGEST_S, Silencing, Wanted
from tests.web.conftest import INCIDENT

NOW_MS = 1_700_000_000_000


class Keeper:
    """An Alertmanager in memory that refuses as it is told."""

    def __init__(self):
        self.kept: list[Silence] = []
        self.known: tuple[Silence, ...] = ()
        self.fault = None

    async def tend(self, now_ms):
        self.known = tuple(one for one in self.kept if one.ends_ms > now_ms)
        return 15.0

    def propose(self, incident, duration_s, created_by):
        return proposal(incident, NOW_MS, duration_s, created_by)

    async def create(self, silence):
        if self.fault:
            raise self.fault
        self.kept.append(replace(silence, id=f"s{len(self.kept)}"))
        return self.kept[-1].id

    async def end(self, silence_id):
        if self.fault:
            raise self.fault
        self.kept = [one for one in self.kept if one.id != silence_id]


class World:
    def __init__(self, **more):
        self.keeper, self.other, self.lines = Keeper(), Keeper(), []
        known = {INCIDENT.id: INCIDENT}
        self.desk = Silencing(
            {"am": self.keeper, "other": self.other},
            known.get,
            clock=lambda: NOW_MS,
            audit=lambda at_ms, line: self.lines.append((at_ms, line)),
            **more,
        )

    def do(self, what, *given):
        return asyncio.run(getattr(self.desk, what)(*given))


def test_a_silence_is_proposed_made_once_listed_and_ended_and_who_did_it_is_kept():
    world = World(people=("ann", "bob"))
    wanted = Wanted("ann", 3600, incident=INCIDENT.id, comment="known <issue>")
    proposed = world.do("propose", wanted)
    assert (proposed.receiver, proposed.silence.id, world.keeper.kept, world.lines) == ("am", "", [], [])
    assert Matcher("service", "checkout|payments", is_regex=True) in proposed.silence.matchers
    made = world.do("create", wanted)
    assert made.is_new
    assert made.silence == replace(proposed.silence, id="s0")
    assert made.silence.comment == "known <issue>"
    again = world.do("create", wanted)
    assert (again.silence, again.is_new, len(world.keeper.kept)) == (made.silence, False, 1)
    assert world.do("create", replace(wanted, who="bob")).is_new
    assert [kept.silence.id for kept in world.do("all")] == ["s0", "s1"]
    assert world.do("end", "s0", "bob").silence.ends_ms == NOW_MS
    assert [kept.silence.id for kept in world.do("all")] == ["s1"]
    assert [line.partition(" ")[0] for _, line in world.lines] == ["ann:", "bob:", "bob:"]
    assert world.lines[-1] == (NOW_MS, "bob: ended silence s0")


def test_matchers_of_ones_own_go_to_the_alertmanager_that_is_named():
    world = World()
    made = world.do("create", Wanted("ann", 60, matchers=['team="data"', "service!~db|cart"], receiver="other"))
    assert made.silence.matchers == (Matcher("team", "data"), Matcher("service", "db|cart", True, False))
    assert (len(world.keeper.kept), len(world.other.kept)) == (0, 1)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"who": " \n"}, InputError, "who: must be the name"),
        ({"who": "eve"}, NotPermitted, "'eve' may silence nothing here"),
        ({"duration_s": 59}, InputError, "duration_s: must be from 60"),
        ({"duration_s": LONGEST_S + 1}, InputError, "duration_s: must be from 60"),
        ({"duration_s": float("nan")}, InputError, "duration_s: must be from 60"),
        ({"incident": ""}, InputError, "one of the two must be given"),
        ({"matchers": ["a=b"]}, InputError, "one of the two must be given"),
        ({"incident": "none"}, NotFound, "there is no incident 'none'"),
        ({"receiver": "pager"}, NotFound, "receiver: must be one of am, other, got 'pager'"),
        ({"incident": "", "matchers": ["cart"]}, InputError, "is not like service="),
        ({"incident": "", "matchers": ["a=~("]}, InputError, "matchers: 'a=~\\('"),
        ({"incident": "", "matchers": ["a=~.*", 'b=""']}, InputError, "at least one must need a label"),
        ({"incident": "", "matchers": ["a=b"] * 51}, InputError, "at most 50, got 51"),
    ],
)
def test_what_is_wrong_is_said_and_makes_nothing(changed, error, said):
    world = World(people=("ann",))
    with pytest.raises(error, match=said):
        world.do("create", replace(Wanted("ann", 60, incident=INCIDENT.id), **changed))
    assert world.keeper.kept == world.lines == []


def test_what_alertmanager_refuses_is_the_askers_fault_and_what_it_cannot_do_now_is_not():
    world = World()
    wanted = Wanted("ann", 60, incident=INCIDENT.id)
    for fault, error in ((Reject("HTTP 400: bad matcher"), InputError), (Retry("no connection"), Retry)):
        world.keeper.fault = fault
        with pytest.raises(error, match=str(fault)):
            world.do("create", wanted)
    world.keeper.fault = None
    made = world.do("create", wanted)
    world.keeper.fault = Reject("HTTP 422")
    with pytest.raises(InputError, match="HTTP 422"):
        world.do("end", made.silence.id, "ann")
    with pytest.raises(NotFound, match="no silence 's9' that holds"):
        world.do("end", "s9", "ann")


def test_without_an_alertmanager_nothing_can_be_silenced():
    desk = Silencing({}, lambda _: INCIDENT, clock=lambda: NOW_MS)
    assert asyncio.run(desk.all()) == []
    with pytest.raises(NotFound, match="no receiver of kind alertmanager"):
        asyncio.run(desk.create(Wanted("ann", 60, incident=INCIDENT.id)))
