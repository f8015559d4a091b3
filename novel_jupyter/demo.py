"""A story played to its end in the terminal, on the real parts.

Law: nothing is simulated. A Jupyter server runs the extension, a kernel of that server hosts the agents, two
scripted people play over WebSockets, and what is printed is what their screens received, as it came. Rounds
have no timers and the people act in turn, so the same seed gives the same events and prose.
Parts: `Demo` (the run), `Screen` (what one player received, and when), `digest` (what two runs are compared
by).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from jupyter_core.paths import jupyter_data_dir
from pydantic import JsonValue

from .kernel.access import PersonLogin
from .kernel.client import Client
from .kernel.handle import SessionHandle
from .kernel_cell import Cell, shut_down_kernel, start_kernel
from .scripted import choose_action, seats_to_play
from .testing import ServerProcess

PLAYERS = ("ada", "ben")
ONLOOKER = "cleo"
"""Whose screen the terminal shows: a player would read only what their character witnessed."""
TURN_TIMEOUT = 60.0
PACE = 2500
"""Characters a second at which the prose is streamed: fast, but seen to be told."""
HOST_CODE = """
import novel_jupyter as nj
story = await nj.join({session_id!r}, pace={pace})
"""


@dataclass
class Screen:
    """One player's replica, with the moment at which each event reached it."""

    name: str
    handle: SessionHandle
    arrived: dict[int, float] = field(default_factory=dict)

    def watch(self) -> None:
        self.handle.on("event", self._note)

    def _note(self, frame: Mapping[str, Any]) -> None:
        self.arrived.setdefault(int(frame["sequence_id"]), time.perf_counter())


class Demo:
    """One run. `say` gets lines and pieces of prose for the terminal."""

    def __init__(
        self, seed: str, turns: int, story: str, story_file: Path | None, say: Callable[[str], None]
    ) -> None:
        self._seed = seed
        self._turns = turns
        self._story = story
        self._story_file = story_file
        self._say = say
        self._delays: list[float] = []
        self._prose: dict[int, str] = {}
        self._streamed = 0

    async def play(self, server: ServerProcess) -> dict[str, JsonValue]:
        """Play on a running server, and return the summary."""
        logins = [PersonLogin(server.url, server.token_of(name)) for name in (*PLAYERS, ONLOOKER)]
        async with Client(logins[0]) as first, Client(logins[1]) as second, Client(logins[2]) as third:
            text = self._story_file.read_text("utf-8") if self._story_file else None
            made = await first.create_session(
                None if text else self._story, text=text, settings={"turn_policy": "round"}, seed=self._seed
            )
            session_id = str(made["session_id"])
            self._say(f"\n  {made['title']}\n  session {session_id}\n")
            screens = [
                Screen(name, await client.join(session_id))
                for name, client in zip(PLAYERS, (first, second), strict=True)
            ]
            onlooker = Screen(ONLOOKER, await third.join(session_id))
            for screen in (*screens, onlooker):
                screen.watch()
            kernel_id = await start_kernel(server.url, server.admin_token)
            try:
                await screens[0].handle.admit_host(f"kernel:{kernel_id}")
                async with Cell(server.url, server.admin_token, kernel_id) as cell:
                    await cell.run(HOST_CODE.format(session_id=session_id, pace=PACE))
                    await screens[0].handle.wait_for(
                        lambda state: _part(state, "host")["holder"], TURN_TIMEOUT
                    )
                    await self._drive(screens, onlooker)
            finally:
                await shut_down_kernel(server.url, server.admin_token, kernel_id)
            return await self._summary(third, session_id, onlooker.handle)

    async def _drive(self, screens: list[Screen], onlooker: Screen) -> None:
        """Claim seats and play rounds until the story ends or the turns are used up."""
        self._print_what(onlooker.handle)
        state = screens[0].handle.state
        for screen, seats in zip(screens, seats_to_play(state, len(screens)), strict=True):
            for character in seats:
                await self._timed(screens, partial(screen.handle.claim, character))
        for _ in range(self._turns):
            state = screens[0].handle.state
            if _part(state, "turn")["phase"] == "ended":
                break
            number = int(_part(state, "turn")["number"])
            self._say(f"\n— turn {number} " + "—" * 60 + "\n")
            await self._propose(screens, number)
            for screen in (*screens, onlooker):
                await screen.handle.wait_for(_turn_over(number), TURN_TIMEOUT)
            failed = _part(screens[0].handle.state, "turn")["error"]
            if failed:
                raise RuntimeError(f"turn {number} failed: {failed}")

    async def _propose(self, screens: list[Screen], number: int) -> None:
        """Every player proposes for their characters, and says that they are ready."""
        ready: list[tuple[Screen, str]] = []
        for screen in screens:
            for character in _seats_of(screen):
                action = choose_action(screen.handle.state, character, self._seed, number)
                if action is None:
                    action = {"kind": "wait"}
                await self._timed(screens, partial(screen.handle.propose, character, action))
                ready.append((screen, character))
        for screen, character in ready:
            await self._timed(screens, partial(screen.handle.ready, character))

    async def _timed(self, screens: list[Screen], command: Callable[[], Any]) -> None:
        """Run a command, and note how long it took to everyone's screen."""
        began = time.perf_counter()
        ack = await command()
        for screen in screens:
            await screen.handle.wait_for(partial(_reached, screen.handle, ack.sequence_id), TURN_TIMEOUT)
        seen = [screen.arrived[ack.sequence_id] for screen in screens if ack.sequence_id in screen.arrived]
        if seen:
            self._delays.append(max(seen) - began)

    def _print_what(self, handle: SessionHandle) -> None:
        names = {c: seat["name"] for c, seat in _part(handle.state, "seats").items()}

        def resolved(frame: Mapping[str, Any]) -> None:
            for outcome in frame["data"]["outcomes"]:
                if outcome["character"] not in names:
                    continue  # scenes, clocks and endings are told by the prose
                who = names[outcome["character"]]
                by = {"player": "", "agent": " (agent)", "understudy": " (understudy)"}.get(outcome["by"], "")
                roll = outcome.get("roll")
                dice = (
                    f" [{roll['dice'][0]}+{roll['dice'][1]}{roll['modifier']:+d} = {roll['total']}]"
                    if roll
                    else ""
                )
                kind = outcome["action"].get("kind", "")
                self._say(f"  · {who}{by}: {kind} → {outcome['outcome']}{dice}. {outcome['reason']}\n")
            self._say("\n")
            self._streamed = 0

        def narrated(frame: Mapping[str, Any]) -> None:
            text = str(frame["data"]["text"])
            self._streamed += len(text)
            self._say(text)

        def told(frame: Mapping[str, Any]) -> None:
            data = frame["data"]
            self._prose[int(data["turn"])] = data["narrative"]
            self._say("\n" if self._streamed else data["narrative"] + "\n")

        handle.on("resolved", resolved)
        handle.on("narration", narrated)
        handle.on("turn", told)

    async def _summary(self, client: Client, session_id: str, handle: SessionHandle) -> dict[str, JsonValue]:
        events = await all_events(client, session_id)
        did: Counter[str] = Counter(str(event["user_id"] or "server").split(":")[0] for event in events)
        rules = handle.state
        ending = cast(dict[str, JsonValue] | None, _part(rules, "session").get("ending"))
        delays = sorted(self._delays)
        return {
            "session_id": session_id,
            "story": _part(rules, "session")["title"],
            "seed": self._seed,
            "turns": len(self._prose),
            "events": handle.sequence_id,
            "ended": _part(rules, "turn")["phase"] == "ended",
            "ending": ending,
            "who_did_what": dict(sorted(did.items())),
            "characters": {c: seat["owner"] or "agent" for c, seat in _part(rules, "seats").items()},
            "commands_timed": len(delays),
            "latency_ms": {
                "p50": round(1000 * statistics.median(delays), 2) if delays else None,
                "p99": round(1000 * delays[min(len(delays) - 1, int(0.99 * len(delays)))], 2)
                if delays
                else None,
            },
            "state_hash": handle.replica.state_hash(),
            "digest": digest(events),
            "narrative": [self._prose[turn] for turn in sorted(self._prose)],
        }


def _reached(handle: SessionHandle, sequence_id: int, _: Mapping[str, JsonValue]) -> bool:
    return handle.sequence_id >= sequence_id


def _part(state: Mapping[str, JsonValue], name: str) -> dict[str, Any]:
    return cast(dict[str, Any], state[name])


def _seats_of(screen: Screen) -> list[str]:
    """The player's characters who can still act."""
    seats, people = _part(screen.handle.state, "seats"), _part(screen.handle.state, "characters")
    mine = [c for c, seat in seats.items() if seat["owner"] == screen.name]
    return [c for c in mine if people.get(c, {}).get("status", "present") == "present"] or mine


def _turn_over(number: int) -> Callable[[Mapping[str, JsonValue]], bool]:
    def over(state: Mapping[str, JsonValue]) -> bool:
        turn = _part(state, "turn")
        return turn["phase"] in ("ended", "failed") or (
            int(turn["number"]) > number and turn["phase"] == "collect"
        )

    return over


async def all_events(client: Client, session_id: str) -> list[dict[str, Any]]:
    """The whole log in the client's view."""
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["sequence_id"] if found else 0
        page = cast(dict[str, Any], await client.get(f"sessions/{session_id}/events?after={after}&limit=500"))
        if not page["events"]:
            return found
        found += page["events"]


VOLATILE = frozenset({"at", "joined_at", "created_at", "away_until", "hash", "timestamp", "session_id", "id"})
"""What two runs of the same story cannot have in common: times, and ids that are random."""


def digest(events: list[dict[str, Any]]) -> str:
    """A hash of what happened, without times, random ids and the name of the kernel."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {_nameless(k): plain(v) for k, v in value.items() if k not in VOLATILE}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return _nameless(value) if isinstance(value, str) else value

    return hashlib.sha256(json.dumps(plain(events), sort_keys=True).encode()).hexdigest()


def _nameless(text: str) -> str:
    """`kernel:<id>` without the id, also inside a path."""
    head, mark, tail = text.partition("kernel:")
    return f"{head}{mark}*" if mark and len(tail) >= 32 else text


def run_demo(*, seed: int, turns: int, story: str, story_file: Path | None, as_json: bool, keep: bool) -> int:
    """What `novel-jupyter demo` does; its exit code. `story` is a bundled one, unless there is a file."""
    kept = Path(jupyter_data_dir()) / "novel_jupyter" / "demo"

    def say(text: str) -> None:
        if not as_json:
            sys.stdout.write(text)
            sys.stdout.flush()

    began = time.monotonic()
    with TemporaryDirectory() as root, ServerProcess(Path(root), (*PLAYERS, ONLOOKER), data=kept) as server:
        say(f"A Jupyter server is up at {server.url} ({time.monotonic() - began:.1f} s).\n")
        demo = Demo(str(seed), turns, story, story_file, say)
        summary = asyncio.run(demo.play(server))
        summary["kept_in"] = str(server.database)
        summary["open_again"] = (
            f"jupyter lab --NovelApp.store=sqlite:///{server.database}   then, in a notebook: "
            f"import novel_jupyter as nj; story = await nj.join({summary['session_id']!r})"
        )
        summary["seconds"] = round(time.monotonic() - began, 1)
        print(json.dumps(summary, indent=2, ensure_ascii=False) if as_json else render(summary))
        if keep:
            print(
                f"\nThe server stays up at {server.url}?token={server.admin_token} until you press Ctrl-C.",
                file=sys.stderr,
            )
            _wait_for_interrupt()
    return 0 if summary["ended"] or summary["turns"] == turns else 1


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def render(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    ending = summary["ending"]
    how = f"ended: {ending['title']}" if ending else ("ended" if summary["ended"] else "not at its end yet")
    latency = summary["latency_ms"]
    lines = [
        "\n" + "—" * 70,
        f"  {summary['story']}: {summary['turns']} turns, {summary['events']} events, {how}",
        "  who did what: " + ", ".join(f"{who} {n}" for who, n in summary["who_did_what"].items()),
        "  who played whom: " + ", ".join(f"{c} by {who}" for c, who in summary["characters"].items()),
        (
            f"  from command to everyone's screen: p50 {latency['p50']} ms, p99 {latency['p99']} ms "
            f"({summary['commands_timed']} commands)"
        ),
        f"  seed {summary['seed']}, digest {summary['digest'][:16]}, {summary['seconds']} s in all",
        f"  kept in {summary['kept_in']}",
        f"  open it again: {summary['open_again']}",
    ]
    return "\n".join(lines)
