"""Log lines of `key=value` pairs on standard error.

A message is a constant text followed by pairs: `log.warning("samples dropped reason=%s count=%d", reason, count)`. The
text becomes `event`, values with spaces are quoted, line breaks escaped, so that nothing from outside can forge a line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from aiops import words
from aiops.errors import ConfigError

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
AGAIN_S = 600.0
"""A repeated error is said again after this long, with a count; chosen."""

_PAIR = re.compile(r"(?P<key>[A-Za-z_][\w.]*)=(?P<value>%\S*)")
_BARE = re.compile(r"[^\s\"=\\]+")


class KeyValueFormatter(logging.Formatter):
    """One line per record; the traceback of an exception follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        pairs = [
            ("time", words.moment(int(record.created * 1000))),
            ("level", record.levelname.lower()),
            ("logger", record.name),
            *_content(record),
        ]
        line = " ".join(f"{key}={quoted(value)}" for key, value in pairs)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n  {part}" for part in trace.splitlines())
        return line


def quoted(value: str) -> str:
    """A value as it stands if it is one plain word, else as a JSON string."""
    return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _content(record: logging.LogRecord) -> list[tuple[str, str]]:
    """The constant text as `event` and the pairs after it, each formatted by itself."""
    text = str(record.msg)
    found = _PAIR.search(text)
    arguments = record.args if isinstance(record.args, tuple) else ()
    head, tail = (text[: found.start()], text[found.start() :]) if found else (text, "")
    matches = [_PAIR.fullmatch(part) for part in tail.split()]
    pairs = [match for match in matches if match]
    # A message of another form (of a library) is one text.
    if "%" in head or len(pairs) != len(matches) or len(pairs) != len(arguments):
        extra = [("repeated", str(record.__dict__["repeated"]))] if "repeated" in record.__dict__ else []
        return [("event", record.getMessage()), *extra]
    said = [(match["key"], match["value"] % (value,)) for match, value in zip(pairs, arguments, strict=True)]
    if "repeated" in record.__dict__:
        said.append(("repeated", str(record.__dict__["repeated"])))
    return [("event", head.strip()), *said]


class RepeatFilter:
    """Lets the same warning or error of one logger through once, and again with a count after `again_s`.

    Anything else that the logger says at level info or above makes it new again: the state has changed in between.
    """

    def __init__(self, again_s: float = AGAIN_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._again_s = again_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, tuple[str, float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be written."""
        if record.levelno < logging.INFO:
            return True
        text, now_s = record.getMessage(), self._clock()
        with self._lock:
            said, since_s, count = self._last.get(record.name, ("", 0.0, 0))
            repeats = record.levelno >= logging.WARNING and text == said
            if repeats and now_s - since_s < self._again_s:
                self._last[record.name] = (said, since_s, count + 1)
                return False
            self._last[record.name] = (text if record.levelno >= logging.WARNING else "", now_s, 0)
        if repeats and count:
            record.__dict__["repeated"] = count
        return True


def setup_logging(level: str = "info", stream: TextIO | None = None) -> logging.Handler:
    """Log everything from `level` up to `stream` (standard error); a second call replaces the first.

    Raises
    ------
    ConfigError : no such level
    """
    if level not in LEVELS:
        raise ConfigError("logging", "level", f"must be one of {', '.join(LEVELS)}, got {level!r}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, KeyValueFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    # Libraries that tell of every request.
    for chatty in ("httpx", "httpcore", "uvicorn", "alembic", "aiokafka", "faust", "mode"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, LEVELS[level]))
    # It warns of every retry; what came of the last one is told by whoever asked.
    logging.getLogger("urllib3").setLevel(max(logging.ERROR, LEVELS[level]))
    return handler
