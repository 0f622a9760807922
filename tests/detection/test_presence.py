"""Since when each series is there, asked while it grows."""

import sys
import threading

import numpy as np
import pytest

from aiops.detection.presence import Presence

DAY_MS = 86_400_000


@pytest.fixture
def hasty_threads():
    """Threads take turns all the time, not every 5 ms."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_a_series_is_silent_once_others_have_gone_on_without_it():
    presence = Presence()
    presence.grow(2)
    presence.update(np.array([0]), np.ones((1, 2)))
    presence.update(np.array([2 * DAY_MS]), np.array([[1.0, np.nan]]))
    assert presence.silent(DAY_MS / 1000).tolist() == [False, True]


@pytest.mark.usefixtures("hasty_threads")
def test_a_report_may_ask_for_silent_series_while_new_ones_come():
    presence = Presence()

    def grow():
        for n in range(1, 3000):
            presence.grow(n)

    growing = threading.Thread(target=grow)
    growing.start()
    while growing.is_alive():
        assert not presence.silent(60.0).any()
    growing.join()
    assert len(presence.silent(60.0)) == 2999
