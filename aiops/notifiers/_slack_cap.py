"""How many messages a channel gets in an hour, and the digest that lists the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

HOUR_MS = 3_600_000
DIGEST_EVERY_MS = 10_000
"""A digest is edited at most this often: Slack allows fifty edits a minute over all channels (chosen)."""


@dataclass(frozen=True, slots=True)
class ChannelHour:
    """What a channel got lately.

    Parameters
    ----------
    posted : when incidents' own messages were posted within the last hour, unix ms
    digest : name of the digest that was begun last; "" = none yet
    digest_ms : when that was
    """

    posted: tuple[int, ...] = ()
    digest: str = ""
    digest_ms: int = 0

    def is_full(self, cap: int, now_ms: int) -> bool:
        """Tell whether another message would be one too many. A clock that went back does not fill it for ever.

        >>> hour = ChannelHour().with_post(0).with_post(60_000)
        >>> hour.is_full(2, 120_000), hour.is_full(3, 120_000), hour.is_full(2, HOUR_MS)
        (True, False, False)
        """
        return sum(0 <= now_ms - at_ms < HOUR_MS for at_ms in self.posted) >= cap

    def with_post(self, now_ms: int) -> ChannelHour:
        """After one more message."""
        return replace(self, posted=(*(t for t in self.posted if 0 <= now_ms - t < HOUR_MS), now_ms))

    def with_digest(self, channel: str, now_ms: int) -> ChannelHour:
        """With a digest of this hour: the one under way, or a new one."""
        if self.digest and 0 <= now_ms - self.digest_ms < HOUR_MS:
            return self
        return replace(self, digest=f"digest:{channel}:{now_ms}", digest_ms=now_ms)


@dataclass(frozen=True, slots=True)
class Digest:
    """One message about incidents that got none of their own.

    Parameters
    ----------
    channel, ts : where it is; no ts = not posted
    held : ids of the incidents, in the order in which they came
    version, shown : number of changes of it, and the one that people see
    edited_ms : when it was edited last
    intent_ms : since when it may have been posted without our knowing; 0 = not
    """

    channel: str
    ts: str = ""
    held: tuple[str, ...] = ()
    version: int = 0
    shown: int = 0
    edited_ms: int = 0
    intent_ms: int = 0

    def with_change(self, incident_id: str) -> Digest:
        """With an incident in it, new or changed."""
        held = self.held if incident_id in self.held else (*self.held, incident_id)
        return replace(self, held=held, version=self.version + 1)

    def due_ms(self, now_ms: int) -> int:
        """When it may be edited."""
        return now_ms if now_ms < self.edited_ms else max(now_ms, self.edited_ms + DIGEST_EVERY_MS)
