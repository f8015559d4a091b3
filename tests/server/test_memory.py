"""What nobody needs leaves memory, and what is measured is on /metrics (SPEC R79).

Law: memory is the server process's resident set, read from outside. What a first round leaves behind (caches,
the allocator's own) is not a session's cost; what every further round leaves behind is.
Parts: many sessions that come and go; long ones; the figures by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import psutil
import pytest
from server.wire import Wire, connect, create, rest

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]

SESSIONS, GROUP = 120, 30
KB = 1024


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    traits = {
        "idle_timeout": 0.1,
        "presence_grace": 0.1,
        "max_sessions_per_connection": SESSIONS,
        "frames_burst": 100_000,
        "commands_burst": 100_000,
        "synchronous": "NORMAL",
    }
    named = {f"NovelApp.{name}": value for name, value in traits.items()}
    with ServerProcess(tmp_path_factory.mktemp("memory"), ("alice", "bob"), named) as found:
        yield found


async def metric(server: ServerProcess, name: str) -> float:
    async with rest(server, "alice") as http:
        text = (await http.get(f"{server.url}metrics")).text
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


async def nothing_in_memory(server: ServerProcess) -> None:
    while await metric(server, "novel_jupyter_rooms"):
        pass


async def _visit(server: ServerProcess, wire: Wire, sessions: list[str]) -> int:
    """Join all, say a word in each; the server's memory then."""
    for session in sessions:
        assert (await wire.join(session))["kind"] == "full_sync"
        assert (await wire.chat(session, "a word"))["kind"] == "ack"
    assert await metric(server, "novel_jupyter_rooms") == len(sessions)
    return int(psutil.Process(server.pid).memory_info().rss)


@pytest.mark.asyncio
async def test_idle_sessions_cost_nearly_nothing(
    forgetful: ServerProcess, figure: Callable[[str], None]
) -> None:
    """Four times thirty sessions in turn need the room of thirty: the room of the idle serves others."""
    sessions = [await create(forgetful) for _ in range(SESSIONS)]
    process = psutil.Process(forgetful.pid)
    idle = []
    for n in range(0, SESSIONS, GROUP):
        async with connect(forgetful, "alice", client=f"visit{n}") as alice:
            await _visit(forgetful, alice, sessions[n : n + GROUP])
        await nothing_in_memory(forgetful)
        idle.append(int(process.memory_info().rss))
    async with connect(forgetful, "alice", client="all") as alice:
        loaded = await _visit(forgetful, alice, sessions)
    each_idle = (idle[-1] - idle[0]) / (SESSIONS - GROUP) / KB
    each_loaded = (loaded - idle[-1]) / (SESSIONS - GROUP) / KB
    resident = " ".join(f"{rss / KB**2:.1f}" for rss in idle)
    figure(
        f"a session costs {each_loaded:.0f} KB in memory and {each_idle:.1f} KB when it idled out "
        f"({SESSIONS} sessions; resident {resident} MB after each {GROUP})"
    )
    assert each_idle < max(24, each_loaded / 4)
    await nothing_in_memory(forgetful)


@pytest.mark.asyncio
async def test_a_long_history_leaves_memory_with_its_session(
    forgetful: ServerProcess, figure: Callable[[str], None]
) -> None:
    """Sessions with 2 MB of recent events each need, one after the other, the room of one."""
    process = psutil.Process(forgetful.pid)
    idle = []
    async with connect(forgetful, "alice", client="long") as alice:
        for _ in range(20):  # the first ten fill SQLite's cache of 16 MB
            session = await create(forgetful)
            await alice.join(session)
            for n in range(20):
                assert (await alice.edit(session, "/notes/block", f"{n:02}" * 50_000))["kind"] == "ack"
            alice.raw.clear()
            del alice.sessions[session]
            await alice.ask("leave_session", session, {})
            await nothing_in_memory(forgetful)
            idle.append(int(process.memory_info().rss))
    each = (idle[-1] - idle[9]) / 10 / KB
    figure(f"2 MB of events leave {each:.0f} KB behind when their session idled out")
    assert each < 512


@pytest.mark.asyncio
async def test_figures_stand_on_metrics(forgetful: ServerProcess) -> None:
    await nothing_in_memory(forgetful)
    session = await create(forgetful)
    refused = await metric(forgetful, "novel_jupyter_events_total")
    async with connect(forgetful, "alice") as alice, connect(forgetful, "bob", "b1") as bob:
        assert await metric(forgetful, "novel_jupyter_connections") == 2
        await alice.join(session)
        await bob.join(session)
        await alice.chat(session, "counted")
        await bob.socket.send("{")
        await bob.expect(lambda m: m["data"]["kind"] == "error")
        assert await metric(forgetful, "novel_jupyter_rooms") == 1
    await nothing_in_memory(forgetful)
    assert await metric(forgetful, "novel_jupyter_connections") == 0
    assert await metric(forgetful, "novel_jupyter_events_total") - refused == 2, "bob came, alice spoke"
    async with rest(forgetful, "alice") as http:
        text = (await http.get(f"{forgetful.url}metrics")).text
    for name in ("commands_total", "deliveries_total", "append_seconds_count", "refusals_total"):
        assert f"novel_jupyter_{name}" in text
    # Names of sessions and people are on no label.
    ours = [line for line in text.splitlines() if line.startswith("novel_jupyter")]
    assert not [line for line in ours if session in line or "alice" in line or "bob" in line]
    async with rest(forgetful) as http:
        assert (await http.get(f"{forgetful.url}metrics")).status_code in (302, 401, 403)
