"""What a channel gets in an hour, and when its digest may be edited."""

from aiops.notifiers._slack_cap import DIGEST_EVERY_MS, HOUR_MS, ChannelHour, Digest

NOW_MS = 1_700_000_000_000


def test_a_digest_is_gone_on_with_for_an_hour_then_there_is_a_new_one():
    hour = ChannelHour().with_digest("C1", NOW_MS)
    assert hour.with_digest("C1", NOW_MS + HOUR_MS - 1) is hour
    later = hour.with_digest("C1", NOW_MS + HOUR_MS)
    assert (later.digest, later.digest_ms) == (f"digest:C1:{NOW_MS + HOUR_MS}", NOW_MS + HOUR_MS)


def test_a_clock_that_was_set_back_neither_fills_an_hour_nor_holds_up_an_edit():
    hour = ChannelHour().with_post(NOW_MS).with_digest("C1", NOW_MS)
    assert not hour.is_full(1, NOW_MS - 1)
    assert hour.with_post(NOW_MS - 1).posted == (NOW_MS - 1,)
    assert hour.with_digest("C1", NOW_MS - 1).digest != hour.digest
    assert Digest("C1", edited_ms=NOW_MS).due_ms(NOW_MS - 1) == NOW_MS - 1


def test_edits_keep_their_distance():
    digest = Digest("C1", edited_ms=NOW_MS)
    assert digest.due_ms(NOW_MS) == digest.due_ms(NOW_MS + 1) == NOW_MS + DIGEST_EVERY_MS
    assert digest.due_ms(NOW_MS + 2 * DIGEST_EVERY_MS) == NOW_MS + 2 * DIGEST_EVERY_MS
