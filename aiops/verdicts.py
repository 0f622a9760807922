"""Verdicts: the one place where they are given, undone and listed, whatever button, page or command they come from."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from aiops.errors import InputError, NotFound, NotPermitted
from aiops.model import Answer, Verdict
from aiops.policy import Policy, Rule, RuleChange, changes, spoke_in
from aiops.stores import Store

log = logging.getLogger(__name__)

LONGEST_NAME = 100
LONGEST_NOTE = 1000
KEPT = 10_000  # verdicts that are looked at; chosen, years of a busy team


@dataclass(frozen=True, slots=True)
class VerdictRules:
    """How long verdicts hold, in days, and who may give them.

    Parameters
    ----------
    noise_days, expected_days, real_days : chosen: noise comes back into sight first, what was real is kept longest
    people : names that may give verdicts; empty = anybody who may use the API
    """

    noise_days: float = 30.0
    expected_days: float = 90.0
    real_days: float = 180.0
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict with what it changed. `is_new` is False when it had been given before."""

    verdict: Verdict
    changes: tuple[RuleChange, ...]
    is_new: bool


class VerdictBook:
    """All verdicts, and the policy they make. Its methods may be called from any thread; they write to the store.

    Parameters
    ----------
    clock : unix ms
    changed : told the new policy after each change, and once at the start

    Raises
    ------
    StoreError : the store cannot be read or written; nothing has changed then
    """

    def __init__(
        self,
        store: Store,
        rules: VerdictRules,
        clock: Callable[[], int],
        changed: Callable[[Policy], None],
        counts: Counter[str] | None = None,
    ) -> None:
        self.counts = no_counts() if counts is None else counts
        self._store, self._rules, self._clock, self._changed = store, rules, clock, changed
        self._writing = threading.Lock()
        self._all = tuple(store.verdicts(limit=KEPT))
        changed(Policy(self._all))

    def give(self, incident_id: str, answer: str, *, who: str, via: str, key: str = "", note: str = "") -> Given:
        """Say what an incident was.

        Parameters
        ----------
        who : a name for people; it is kept with the verdict
        via : the way it came, such as api or slack
        key : of the request, if it has one: the same again changes nothing, even after the verdict was undone

        Raises
        ------
        NotFound : there is no such incident
        NotPermitted : this person may give no verdicts
        InputError : no such answer, or no name
        """
        wanted = self._checked(answer, who, via)
        with self._writing:
            verdict_id = hashlib.blake2b(f"key {key}".encode(), digest_size=6).hexdigest() if key else ""
            known = self._known(incident_id, wanted, _clean(who, LONGEST_NAME), verdict_id)
            if known is not None:
                return Given(known, changes(known, self._all), is_new=False)
            verdict = self._made(incident_id, wanted, _clean(who, LONGEST_NAME), via, verdict_id)
            self._put(replace(verdict, note=_clean(note, LONGEST_NOTE)))
            verdict = self._all[0]
        self.counts[wanted] += 1
        log.info("verdict given id=%s incident=%s answer=%s who=%s via=%s", verdict.id, incident_id, answer, who, via)
        return Given(verdict, changes(verdict, self._all), is_new=True)

    def undo(self, verdict_id: str, *, who: str, via: str) -> Verdict:
        """Take a verdict back; one that is undone already stays as it is.

        Raises
        ------
        NotFound : there is no such verdict
        NotPermitted, InputError : as in `give`
        """
        self._checked("real", who, via)
        with self._writing:
            verdict = next((v for v in self._all if v.id == verdict_id), None)
            if verdict is None:
                raise NotFound(f"there is no verdict {_clean(verdict_id, 40)!r}")
            if verdict.undone_ms is None:
                verdict = replace(verdict, undone_ms=self._clock(), undone_by=_clean(who, LONGEST_NAME))
                self._put(verdict)
                self.counts["undone"] += 1
                log.info("verdict undone id=%s who=%s via=%s", verdict_id, who, via)
        return verdict

    def all(self, incident_id: str = "") -> list[Given]:
        """Verdicts with what each changed when it was given, latest first; "" = of all incidents."""
        everything = self._all
        wanted = [v for v in everything if not incident_id or v.incident_id == incident_id]
        return [Given(v, changes(v, everything), is_new=False) for v in wanted]

    def of_incident(self, incident_id: str) -> list[Given]:
        """Verdicts on one incident, latest first."""
        return self.all(incident_id) if incident_id else []

    def preview(self, incident_id: str, answer: str) -> tuple[RuleChange, ...]:
        """What a verdict would change; nothing is kept. Raises as `give`."""
        verdict = self._made(incident_id, self._answer(answer), "", "", "preview")
        return changes(verdict, self._all)

    def rules(self) -> dict[str, Rule]:
        """The rules that hold now, by what they are about."""
        return Policy(self._all).rules(self._clock())

    def _checked(self, answer: str, who: str, via: str) -> Answer:
        name = _clean(who, LONGEST_NAME)
        if not name:
            raise InputError("who: must be the name of the person who says so")
        if self._rules.people and name not in self._rules.people:
            self.counts["refused"] += 1
            log.warning("verdict refused who=%s via=%s reason=not among verdicts.people", name, via)
            raise NotPermitted(f"{name!r} may give no verdicts here: `verdicts.people` says who may")
        return self._answer(answer)

    @staticmethod
    def _answer(answer: str) -> Answer:
        wanted: Answer | None = next((a for a in get_args(Answer) if a == answer), None)
        if wanted is None:
            raise InputError(f"answer: must be one of {', '.join(get_args(Answer))}, got {_clean(answer, 40)!r}")
        return wanted

    def _known(self, incident_id: str, answer: Answer, who: str, verdict_id: str) -> Verdict | None:
        for one in self._all:
            if verdict_id and one.id == verdict_id:
                return one
            same = (one.incident_id, one.answer, one.who) == (incident_id, answer, who)
            if same and one.undone_ms is None:
                return one
        return None

    def _made(self, incident_id: str, answer: Answer, who: str, via: str, verdict_id: str) -> Verdict:
        incident = self._store.incident(incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {_clean(incident_id, 40)!r}")
        # Two within one millisecond must still have an order.
        now_ms = max(self._clock(), self._all[0].at_ms + 1 if self._all else 0)
        days = {"noise": self._rules.noise_days, "expected": self._rules.expected_days, "real": self._rules.real_days}
        text = f"{incident_id} {answer} {who} {now_ms}"
        return Verdict(
            id=verdict_id or hashlib.blake2b(text.encode(), digest_size=6).hexdigest(),
            incident_id=incident_id,
            answer=answer,
            who=who,
            via=via,
            at_ms=now_ms,
            until_ms=now_ms + round(days[answer] * 86_400_000),
            spoke=spoke_in(incident, now_ms),
        )

    def _put(self, verdict: Verdict) -> None:
        self._store.put_verdict(verdict)
        others = (v for v in self._all if v.id != verdict.id)
        self._all = tuple(sorted((verdict, *others), key=lambda v: (-v.at_ms, v.id)))[:KEPT]
        self._changed(Policy(self._all))


def no_counts() -> Counter[str]:
    """Verdicts by what came of them, none yet."""
    return Counter(dict.fromkeys((*get_args(Answer), "undone", "refused"), 0))


def _clean(text: str, most: int) -> str:
    """One line of text without control characters: it goes into logs and pages."""
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()[:most]
