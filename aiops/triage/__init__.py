"""Machine 2: what belongs together becomes an incident with a life; `machine.py` has its rules."""

from aiops.triage.machine import Triage
from aiops.triage.settings import TriageSettings
from aiops.triage.words import Again, Rank, Ranked, Send, Tick

__all__ = ["Again", "Rank", "Ranked", "Send", "Tick", "Triage", "TriageSettings"]
