"""The progress bar, on a standard error that only a test sees."""

from __future__ import annotations

import io
import sys

import pytest

from aiops.commands._progress import progress_bar


class Terminal(io.StringIO):
    def __init__(self, *, is_terminal: bool = True) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def standard_error(monkeypatch):
    """`standard_error(is_terminal=)` takes the place of the process' own; wide enough for a bar in one line."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")

    def take(*, is_terminal):
        terminal = Terminal(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return take


def test_a_person_sees_what_is_done_and_how_far_it_is(standard_error, capsys):
    terminal = standard_error(is_terminal=True)
    with progress_bar("scoring series") as step:
        step(3, 8)
    assert "scoring series" in terminal.getvalue()
    assert "3/8" in terminal.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("is_terminal", "shown"), [(False, True), (True, False), (False, False)])
def test_nothing_is_written_where_nobody_watches_or_it_is_not_wanted(standard_error, is_terminal, shown):
    terminal = standard_error(is_terminal=is_terminal)
    with progress_bar("scoring series", shown=shown) as step:
        step(3, 8)
    assert terminal.getvalue() == ""


def test_an_error_inside_comes_through_and_the_terminal_is_left_as_it_was(standard_error):
    terminal = standard_error(is_terminal=True)

    def fail():
        with progress_bar("scoring series") as step:
            step(1, 0)
            step(1, 1 // 0)

    with pytest.raises(ZeroDivisionError):
        fail()
    hidden, shown = terminal.getvalue().count("\x1b[?25l"), terminal.getvalue().count("\x1b[?25h")
    assert hidden == shown == 1
