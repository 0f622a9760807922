"""Settings become notifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiops._build_alertmanager import build_alertmanager
from aiops._config_receivers import AlertmanagerReceiver, ConsoleReceiver, Receiver, WebhookReceiver
from aiops._secret_file import read_secret
from aiops.config import Settings
from aiops.notifiers import Notifier, Receipts, Tended
from aiops.notifiers.console import ConsoleNotifier
from aiops.notifiers.only import OnlyNotifier, Rule
from aiops.notifiers.receipts import ReceiptStore
from aiops.notifiers.webhook import WebhookNotifier


@dataclass(frozen=True, slots=True)
class Around:
    """What notifiers need of the service.

    Parameters
    ----------
    store : where they keep what they must remember
    clock : the wall clock, unix ms
    page : where people reach our pages, "" = nobody has said
    ill : why the service is not healthy, one line per part
    """

    store: ReceiptStore
    clock: Callable[[], int]
    page: str = ""
    ill: Callable[[], Sequence[str]] = list


def build_notifiers(settings: Settings, base: Path, around: Around) -> dict[str, Notifier]:
    """Everybody who is told, by name.

    Parameters
    ----------
    base : folder that relative file names in the settings start from

    Raises
    ------
    ConfigError : a file that is named cannot be read, or an address is none
    """
    return {one.name: _limited(one, _notifier(one, base, around), around) for one in settings.notifiers}


def tended(notifiers: Mapping[str, Notifier]) -> dict[str, Tended]:
    """Those that have something to do between notifications, by name."""
    inner = {name: one.inner if isinstance(one, OnlyNotifier) else one for name, one in notifiers.items()}
    return {name: one for name, one in inner.items() if isinstance(one, Tended)}


def _notifier(one: Receiver, base: Path, around: Around) -> Notifier:
    # One case for each kind; what a kind needs beyond a few lines belongs in its own module.
    receipts = Receipts(around.store, one.name)
    match one:
        case ConsoleReceiver():
            return ConsoleNotifier()
        case WebhookReceiver():
            token = read_secret(one.token_file, base) if one.token_file else None
            return WebhookNotifier(one.url, headers=one.headers, token=token, timeout_s=one.timeout_s)
        case AlertmanagerReceiver():
            return build_alertmanager(one, base, receipts, around.clock, page=around.page, ill=around.ill)


def _limited(one: Receiver, notifier: Notifier, around: Around) -> Notifier:
    """The notifier, told of no more than its settings want."""
    only = getattr(one, "only", None)
    severities, services = (tuple(only.severity), tuple(only.service)) if only else ((), ())
    rule = Rule(severities, services, nothing=not getattr(one, "incidents", True))
    return notifier if rule == Rule() else OnlyNotifier(notifier, rule, Receipts(around.store, one.name))
