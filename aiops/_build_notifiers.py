"""Settings become notifiers."""

from __future__ import annotations

from pathlib import Path

from aiops._config_receivers import ConsoleReceiver, Receiver, WebhookReceiver
from aiops._secret_file import read_secret
from aiops.config import Settings
from aiops.notifiers import Notifier
from aiops.notifiers.console import ConsoleNotifier
from aiops.notifiers.webhook import WebhookNotifier


def build_notifiers(settings: Settings, base: Path) -> dict[str, Notifier]:
    """Everybody who is told, by name.

    Parameters
    ----------
    base : folder that relative file names in the settings start from

    Raises
    ------
    ConfigError : a file that is named cannot be read, or an address is none
    """
    return {one.name: _notifier(one, base) for one in settings.notifiers}


def _notifier(one: Receiver, base: Path) -> Notifier:
    # One case for each kind; what a kind needs beyond a few lines belongs in its own module.
    match one:
        case ConsoleReceiver():
            return ConsoleNotifier()
        case WebhookReceiver():
            token = read_secret(one.token_file, base) if one.token_file else None
            return WebhookNotifier(one.url, headers=one.headers, token=token, timeout_s=one.timeout_s)
