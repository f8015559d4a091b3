"""Figures for Prometheus, on Jupyter's own `/metrics`.

Law: names and labels are few and bounded: no session, user or path is ever a label.
"""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("novel_jupyter_connections", "Open WebSockets")
ROOMS = Gauge("novel_jupyter_rooms", "Sessions in memory")
COMMANDS = Counter("novel_jupyter_commands_total", "Commands decided, by what came of them", ["outcome"])
EVENTS = Counter("novel_jupyter_events_total", "Events committed")
DELIVERIES = Counter("novel_jupyter_deliveries_total", "Frames handed to connections")
APPENDS = Histogram(
    "novel_jupyter_append_seconds",
    "From a decision to its commit",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BEHIND = Counter("novel_jupyter_behind_total", "Appends that another writer was faster than")
RECOVERED = Counter(
    "novel_jupyter_recovered_total",
    "Histories that store and server disagreed on, by how",
    ["how"],
)
RESYNCS = Counter("novel_jupyter_resyncs_total", "Backlogs thrown away for a state_sync")
CLOSES = Counter("novel_jupyter_closes_total", "Connections that the server closed, by code", ["code"])
REFUSALS = Counter("novel_jupyter_refusals_total", "Frames refused before they became commands", ["code"])


@lru_cache(maxsize=64)
def of_outcome(outcome: str) -> Counter:
    """COMMANDS of one outcome: to find a label costs more than to count."""
    return COMMANDS.labels(outcome)
