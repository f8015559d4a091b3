"""`novel-jupyter doctor`: which servers a store has, how its sessions are, and what is wrong with them.

Law: what is shown is what store and bus say, nothing is changed. Exit 0: healthy; 1: with warnings, each in
plain words; 2: no such store. No password is shown.
Parts: `Report`, `examine`, `run_doctor`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from .doctor_look import FAR, PATIENCE, NodeSeen, SessionSeen, see_nodes, see_sessions
from .doctor_media import Medium, look_at_file, look_at_redis
from .server.bus import Bus, LocalBus
from .server.ports import Store, StoreError
from .server.stores import described, sqlite_path
from .store_urls import CannotOpen, NotAStore, default_url, opened, url_of


@dataclass(slots=True)
class Report:
    store: str
    medium: Medium = field(default_factory=Medium)
    nodes: list[NodeSeen] | None = None
    """None where servers cannot be seen from here."""
    sessions: list[SessionSeen] = field(default_factory=list)
    more: bool = False
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        nodes = None if self.nodes is None else [asdict(node) for node in self.nodes]
        return json.dumps(
            {
                "healthy": not self.warnings,
                "store": {"url": self.store, **self.medium.facts},
                "nodes": nodes,
                "sessions": [asdict(session) for session in self.sessions],
                "more_sessions": self.more,
                "warnings": self.warnings,
            }
        )


async def examine(
    url: str, store: Store, bus: Bus, warnings: list[str], count: int, patience: float = PATIENCE
) -> Report:
    """Raises StoreError when the store goes away meanwhile."""
    report = Report(described(url), warnings=list(warnings))
    link = getattr(store, "link", None)
    if link is not None:
        report.medium = look_at_redis(await link.inspect())
    else:
        report.medium = await asyncio.to_thread(look_at_file, sqlite_path(url))
    if not isinstance(bus, LocalBus):
        report.nodes = await see_nodes(bus)
    report.sessions, report.more = await see_sessions(store, bus, count, patience)
    report.warnings += report.medium.warnings
    report.warnings += _of_nodes(report.nodes or [])
    for session in report.sessions:
        report.warnings += _of_session(session, report.nodes)
    return report


def _of_nodes(nodes: list[NodeSeen]) -> list[str]:
    versions = sorted({node.version for node in nodes})
    if len(versions) > 1:
        return [f"servers have different versions ({', '.join(versions)}): bring all of them to the newest"]
    return []


def _of_session(seen: SessionSeen, nodes: list[NodeSeen] | None) -> list[str]:
    name = f"session {seen.session_id}"
    if seen.problem:
        return [f"{name}: {seen.problem}; look into the servers' logs, or archive it"]
    found = [
        f"{name}: server {node} is {lag} events behind and does not catch up; look into its log, restart it "
        "if it does not recover"
        for node, lag in seen.stuck.items()
    ]
    if nodes is not None and seen.holder is not None and seen.holder not in _everybody(seen):
        found.append(
            f"{name}: {seen.holder} has the lease and is connected nowhere; another kernel takes over once a "
            "server has the session open: join it, or run the notebook again"
        )
    tail = seen.head - max(seen.floor, seen.snapshot or 0)
    if tail > FAR:
        found.append(
            f"{name}: no snapshot of the last {tail} events, so it opens slowly; a server makes one while "
            "the session is played"
        )
    return found


def _everybody(seen: SessionSeen) -> set[str]:
    return {user for users in seen.people.values() for user in users}


def run_doctor(
    said: str | None, count: int, *, as_json: bool, say: Callable[[str], None], warn: Callable[[str], None]
) -> int:
    """The command; its exit code. `said` is the store as typed."""
    url = ""
    try:
        url = url_of(said if said is not None else default_url())
        report = asyncio.run(_run(url, count))
    except CannotOpen as error:
        report = Report(
            described(url), warnings=[f"{error}: see whether it runs and may be reached from here"]
        )
    except NotAStore as error:
        warn(str(error))
        return 2
    say(report.as_json() if as_json else _text(report))
    return 1 if report.warnings else 0


async def _run(url: str, count: int) -> Report:
    async with opened(url) as (store, bus, warnings):
        try:
            return await examine(url, store, bus, warnings, count)
        except StoreError as error:
            raise CannotOpen(f"{described(url)} does not answer: {error}") from None


# --- for people


def _text(report: Report) -> str:
    lines = [f"store    {report.store}"]
    lines += _facts(report.medium)
    if report.nodes is None:
        lines.append("servers  those on one file cannot be seen from here")
    else:
        lines.append(f"servers  {len(report.nodes) or 'none is up'}")
        lines += [_node(node) for node in report.nodes]
    latest = f"the latest {len(report.sessions)}" if report.more else str(len(report.sessions))
    lines.append(f"sessions {latest}")
    for session in report.sessions:
        lines += _session(session)
    lines += [f"WARNING  {warning}" for warning in report.warnings]
    return "\n".join([*lines, "healthy" if not report.warnings else f"{len(report.warnings)} to look at"])


def _facts(medium: Medium) -> list[str]:
    primaries = medium.facts.get("primaries")
    if isinstance(primaries, list):
        each = (_pairs(primary) for primary in primaries if isinstance(primary, dict))
        return [f"         {text}" for text in each]
    return [f"         {_pairs(medium.facts)}"] if medium.facts else []


def _pairs(facts: object) -> str:
    assert isinstance(facts, dict)
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value is not None
    )


def _node(node: NodeSeen) -> str:
    where = node.url or f"{node.host} pid {node.pid}"
    state = ", draining" if node.draining else ""
    return (
        f"  {node.node}  {where}, version {node.version}, {node.sessions} sessions, {node.connections} "
        f"connections, heard of {node.age:.1f} s ago{state}"
    )


def _session(seen: SessionSeen) -> list[str]:
    kept = f" from {seen.floor}" if seen.floor else ""
    holder = f", lease: {seen.holder}" if seen.holder else ", no host"
    snapshot = f", snapshot at {seen.snapshot}" if seen.snapshot is not None else ""
    about = seen.problem or f"at {seen.head}{kept}{snapshot}, {seen.phase}{holder}"
    lines = [f"  {seen.session_id}  {seen.title} ({seen.status}): {about}"]
    for node, users in seen.people.items():
        lag = f", {seen.lag[node]} behind" if node in seen.lag else ""
        lines.append(f"    at {node}: {', '.join(users) or 'nobody'}{lag}")
    return lines
