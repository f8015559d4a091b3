"""What a notebook's author holds: one story, its turns, and its agents, live.

Law: everything shown is what the replica knows; everything done goes through the session like anybody else's
command. What comes from a story or from people is escaped before a browser sees it.
Parts: `Story`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, cast, overload
from urllib.parse import urlsplit

from pydantic import JsonValue

from novel_jupyter.core.errors import way_of
from novel_jupyter.core.model import RuleState, State
from novel_jupyter.core.views import ALL, person_of, rules_of
from novel_jupyter.story.brain import Brain
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.turn import Usage

from .advising import Suggestion
from .agents import Personas
from .asking import ADVICE_SECONDS, suggest
from .cast import Characters
from .client import Client
from .commands import Ack
from .errors import CommandRefused, TurnEnded
from .handle import SessionHandle
from .hooks import KINDS, Hook
from .host import AgentHost
from .listeners import Frame
from .logbook import Log
from .models.account import Caps
from .models.chosen import brain_of
from .phrasing import action_of, must_be_free
from .plot import draw
from .showing import Showing
from .svg import Picture
from .told import Turn as Turn

OUTCOMES_KEPT: Final = 1000
HOOKS_SECONDS: Final = 10.0
"""How long `turn` waits for hooks that are slow."""
ENDS: Final = frozenset({"cancelled", "undone", "branched", "failed"})


class Story:
    """One session as this kernel (or script) takes part in it. `nj.open` and `nj.join` make it."""

    def __init__(self, client: Client, handle: SessionHandle, host: AgentHost | None) -> None:
        self.client = client
        self.handle = handle
        self.host = host
        self.log = Log(self._names, handle.state)
        """Everything that this kernel saw happen, as a table: `pd.DataFrame(story.log)`. See `load`."""
        self._outcomes: dict[int, list[Mapping[str, Any]]] = {}
        # A kernel whose person is known is one of another server than the session's (a service's client).
        home = client.user["kind"] == "kernel" and person_of(client.user["user_id"]) is None
        self._showing = Showing(handle, lambda: self.url, home)
        handle.on("event", self.log.add)
        handle.on("resolved", self._resolved)

    def _resolved(self, frame: Frame) -> None:
        self._outcomes[frame["sequence_id"]] = list(frame["data"]["outcomes"])
        while len(self._outcomes) > OUTCOMES_KEPT:
            del self._outcomes[next(iter(self._outcomes))]

    # --- reading

    @property
    def session_id(self) -> str:
        return self.handle.session_id

    @property
    def url(self) -> str:
        """The page on which people play it. No credential is in it, whatever address was given."""
        scheme, host, path, *_ = urlsplit(self.client.base_url)
        return f"{scheme}://{host.rpartition('@')[2]}{path}novel/s/{self.session_id}"

    @property
    def state(self) -> State:
        """The whole state as this kernel may see it. Do not write into it: use `edit`."""
        return self.handle.state

    @property
    def _rules(self) -> RuleState:
        return rules_of(self.handle.state)

    @property
    def title(self) -> str:
        return self._rules["session"]["title"]

    @property
    def phase(self) -> str:
        return self._rules["turn"]["phase"]

    @property
    def scene(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.state.get("scene", {}))

    @property
    def characters(self) -> Characters:
        """What everybody may know of each, by id. Copies: use `edit` to change anything."""
        known: Any = self.state
        return Characters(known.get("characters", {}), known.get("locations", {}))

    @property
    def turns(self) -> list[Turn]:
        """The latest resolved turns of all branches, the oldest first."""
        return [self._turn(node) for node in sorted(map(int, self._rules["turns"]))]

    def _names(self) -> Mapping[str, str]:
        return {who: str(entry["name"]) for who, entry in self.characters.items()}

    async def load(self) -> Log:
        """Read the log back to the session's beginning, as far as the server keeps it and this kernel may see
        it.
        """
        await self.log.load(self.history, self.handle.replica.view or "")
        return self.log

    def plot(self, which: str | None = None) -> Picture:
        """The `tension` curve, the `relations` and who `acts` when; or one of them.

        Shows what `log` has: `await story.load()` first for a session that this kernel came late to. Raises
        ValueError for another name.
        """
        return draw(self.log.rows, self.state, which)

    async def history(self, after: int = 0, limit: int = 500) -> list[dict[str, Any]]:
        """Events of the log from the server, beginning after a sequence_id."""
        page = await self.client.get(f"sessions/{self.session_id}/events?after={after}&limit={limit}")
        return cast("dict[str, list[dict[str, Any]]]", page)["events"]

    def _told(self, node: str) -> str:
        """A turn's prose as this view has it: an onlooker's, else that of the seats."""
        seats = [part for name, part in sorted(self.state.items()) if name.startswith("seat:")]
        parts: list[Any] = [self.state] if "chronicle" in self.state else seats
        entries = [part.get("chronicle", {}).get(node, {}) for part in parts]
        return "\n\n".join(entry["narrative"] for entry in entries if "narrative" in entry)

    def _turn(self, node: int) -> Turn:
        entry = self._rules["turns"][str(node)]
        told = self._told(str(node))
        return Turn(
            entry["number"],
            entry["attempt"],
            entry["branch"],
            node,
            entry["narration"],
            told,
            self._outcomes.get(node, ()),
        )

    # --- the agents

    @property
    def director(self) -> DirectorAgent:
        """The agent that resolves turns. What is put here, an agent or a class of one, takes over with the
        next turn; a turn that runs is played to its end by the one that began it.
        """
        return self._host.director

    @director.setter
    def director(self, director: DirectorAgent | type[DirectorAgent]) -> None:
        self._host.director = director

    @property
    def chronicler(self) -> ChroniclerAgent:
        """The agent that tells turns."""
        return self._host.chronicler

    @chronicler.setter
    def chronicler(self, chronicler: ChroniclerAgent | type[ChroniclerAgent]) -> None:
        self._host.chronicler = chronicler

    @property
    def personas(self) -> Personas:
        """Agents of single characters, by id: `story.personas["mara"] = MyMara`; `del` brings the built-in
        one back. They stay when the director changes.
        """
        return self._host.agents.personas

    @property
    def model(self) -> str:
        """What the director and the chronicler think with: `offline` or `provider:model`.

        Setting it gives both another brain, with the next turn; personas of one's own keep theirs. Raises
        NoModel.
        """
        return self.brain.model or self.brain.engine

    @model.setter
    def model(self, model: object) -> None:
        self._host.agents.think_with(brain_of(model))

    @property
    def brain(self) -> Brain:
        """That brain, for agents of one's own: `story.director = MyDirector(story.brain)`."""
        return self._host.director.brain

    @property
    def caps(self) -> Caps:
        """What models may spend on a turn and on the session."""
        return self._host.billing.caps

    @caps.setter
    def caps(self, caps: Caps) -> None:
        self._host.billing.caps = caps

    @property
    def spent(self) -> Usage:
        """What models have cost in this session, as far as this kernel knows."""
        return self._host.billing.spent

    @overload
    def on(self, kind: str) -> Callable[[Callable[[Any], object]], Hook]: ...

    @overload
    def on(self, kind: str, hook: Callable[[Any], object]) -> Hook: ...

    def on(
        self, kind: str, hook: Callable[[Any], object] | None = None
    ) -> Hook | Callable[[Callable[[Any], object]], Hook]:
        """Watch what this kernel's agents do: `@story.on("decision")` above a function, async or not.

        It is given each `decision` (a `DecisionMade`), `event` (`EventMade`) or `sentence` (`SentenceMade`)
        once it is in the log. The name then stands for the handle: `.off()` ends it, `.error` is what it
        raised last. Raises ValueError for another kind.
        """
        hooks = self._host.hooks
        if hook is not None:
            return hooks.add(kind, hook)
        if kind not in KINDS:
            raise ValueError(f"there is no hook {kind!r}; expected one of {', '.join(KINDS)}")
        return lambda function: hooks.add(kind, function)

    @property
    def _host(self) -> AgentHost:
        if self.host is None:
            raise RuntimeError("only a kernel hosts agents; this is a person's connection")
        return self.host

    # --- doing

    async def turn(self) -> Turn:
        """Play the turn: lock what is proposed, wait until it is told, and return it.

        A turn that is under way already is waited for. Raises TurnEnded when it comes to nothing, and when
        there is none to be played (paused, failed, in review, ended, or nobody hosts).
        """
        turn = await self._played()
        if self.host is not None:
            await self.host.hooks.settled(HOOKS_SECONDS)
        return turn

    async def _played(self) -> Turn:
        before = self._rules["turn"]
        self._must_be_playable()
        stream = self.handle.events()
        if before["phase"] in ("lobby", "collect"):
            try:
                await self.handle.direct("lock")
            except CommandRefused as refused:
                if refused.code != "phase":
                    raise
                # Somebody else locked it in the same moment: it is the same turn.
        number = before["number"]
        async for event in stream:
            data = event["data"]
            kind = data["kind"]
            if kind == "turn" and not data["retold"]:
                return self._turn(data["node"])
            if kind == "narration_failed" or event["type"] == "state_sync":
                done = [t for t in self.turns if t.number == number and t.narration != "pending"]
                if done:
                    return done[-1]
            if kind == "resolved" and not data["turn_complete"]:
                reasons = "; ".join(str(outcome["reason"]) for outcome in data["outcomes"])
                raise TurnEnded("refused", f"turn {number} goes on: {reasons}")
            if kind in ENDS:
                raise TurnEnded(kind, self._why(kind, number, data))
        raise TurnEnded("ended", "the session is over")

    def _must_be_playable(self) -> None:
        turn, host = self._rules["turn"], self._rules["host"]
        if turn["phase"] in ("ended", "paused", "failed", "review"):
            ways = {"paused": "resume", "failed": "reroll or cancel", "review": "accept or reroll"}
            way = ways.get(turn["phase"])
            hint = f"; `await story.direct(…)` with {way}" if way else ""
            raise TurnEnded(turn["phase"], f"the story is {turn['phase']}{hint}")
        me = self.client.user["user_id"]
        if host["holder"] is None and me not in host["admitted"]:
            raise TurnEnded("no_host", f"no kernel hosts the agents: have the owner admit one (this is {me})")

    def _why(self, kind: str, number: int, data: Mapping[str, Any]) -> str:
        code = f" ({data['code']})" if "code" in data else ""
        error = self.host.last_error if self.host and kind == "failed" else None
        return f"turn {number} was {kind}{code}" + (
            f": {way_of(error)}; the error itself is story.host.last_error" if error else ""
        )

    async def act(self, character: str, action: str | Mapping[str, JsonValue]) -> Ack:
        """Propose an action for a character, and say that it is ready.

        `action` is words ("search cellar", "ask Tomas about the letter") or an object. A kernel acts for
        seats that nobody owns, or that were delegated to it. Raises ValueError for what is no action, and for
        free words that may be meant as one, with what they may mean: nothing is taken for it unasked. `free`
        before the words has them told as they stand.
        """
        wanted = action_of(action, self.state)
        if isinstance(action, str) and wanted["kind"] == "free" and not action.lower().startswith("free"):
            must_be_free(self.state, character, action)
        ack = await self.handle.propose(character, wanted)
        turn = self._rules["turn"]
        mine = turn["proposals"].get(character)
        if mine and not mine["ready"] and self._rules["session"]["settings"]["turn_policy"] == "round":
            ack = await self.handle.ready(character)
        return ack

    async def suggest(self, character: str, timeout: float = ADVICE_SECONDS) -> Suggestion:
        """What would they do? As the character's agent says, from what the character witnessed; nothing is
        proposed by it, and nobody else hears of it: `await story.act("mara", found.action)` does it.

        A kernel that may host asks its own agent, for any character; a player asks for their own. Raises
        KeyError for one who does not act, CommandRefused for somebody else's character or too many questions,
        TurnEnded when the turn goes on meanwhile or nobody hosts, TimeoutError.
        """
        if self.host is not None and self.handle.replica.view == ALL:
            async with asyncio.timeout(timeout):
                return await self.host.advising.suggest(character)
        return await suggest(self.handle, character, timeout)

    async def say(self, text: str) -> Ack:
        return await self.handle.chat(text)

    async def edit(self, patch: Sequence[Mapping[str, JsonValue]]) -> Ack:
        """Change the state by RFC 6902 operations."""
        return await self.handle.edit(patch)

    async def undo(self, to: int | None = None) -> Ack:
        """Back by one turn, or to the end of the turn whose node is `to`."""
        return await self.handle.undo(to)

    async def branch(self, name: str, at: int | None = None) -> Ack:
        return await self.handle.branch(name, at)

    async def retell(self, node: int | None = None) -> Ack:
        return await self.handle.retell(node)

    async def direct(self, word: str) -> Ack:
        """A word of the director: start, lock, cancel, pause, resume, accept or reroll."""
        return await self.handle.direct(cast(Any, word))

    async def close(self) -> None:
        """Stop hosting and leave. The session stays where it is."""
        self._showing.stop()
        if self.host is not None:
            await self.host.stop()
        self.client.leave(self.handle)

    # --- showing

    def __repr__(self) -> str:
        number = self._rules["turn"]["number"]
        return f"<{self.title!r}, turn {number}, {self.phase}, session {self.session_id}>"

    def _repr_html_(self) -> str:
        return self._showing.html()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Live in Jupyter, a copy to read elsewhere: `showing` has what is what."""
        return self._showing.bundle(repr(self), include, exclude)
