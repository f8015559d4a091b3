"""The host: runs the agents in this kernel for whoever plays, while its cells stay free.

Law: a host does what the server asks of the holder of the lease, once, and stops at once when the state no
longer asks for it. A result carries the fencing token, so a host that was too late changes nothing. What
goes wrong in an agent is told here, to whoever can mend it; the others learn one word.
Parts: `AgentHost`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

import orjson
from pydantic import JsonValue

from novel_jupyter.core.errors import way_of
from novel_jupyter.core.model import State
from novel_jupyter.core.views import rules_of
from novel_jupyter.story.brain import Brain, BrainError
from novel_jupyter.story.chronicler import ChroniclerAgent, chunk
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.turn import SeatNarrative, Sentence, TurnRecord

from .advising import Advising
from .agents import Agents
from .billing import Billing
from .errors import CommandRefused, NovelError
from .handle import SessionHandle
from .hooks import Hooks, Made, made_by_telling, made_by_turn
from .listeners import Frame
from .models.account import Caps, spent_now
from .readings import Readings
from .streaming import ProseStream
from .turns import HostSession, Request, result_of

log = logging.getLogger("novel_jupyter")

REACH_SECONDS: Final = 30.0
"""How long a host waits for its replica to reach what a request speaks of."""
AGENTS_SECONDS: Final = 300.0
RELEASE_SECONDS: Final = 2.0
HISTORIES: Final = 8
"""How often one request is done anew because the history that it was done in is gone."""
OVER: Final = frozenset({"stale_lease", "stale_turn", "phase"})
"""Refusals that say: somebody else did it, or it is no longer wanted."""
GONE: Final = "stale_epoch"
"""The refusal that says: the history went on from an earlier point."""

RESULT, NARRATIVE, RESULT_REFUSED, NARRATIVE_REFUSED = 1, 2, 3, 4
"""Steps of a turn: the n of a host's command ids."""


class AgentHost:
    """`director` and `chronicler` can be replaced at any time; what runs goes on with those it began with.

    `pace`: characters a second at which prose is streamed; None: as it comes. `brain`: of the agents that are
    not given. `caps`: what models may spend.
    """

    def __init__(
        self,
        handle: SessionHandle,
        user_id: str,
        *,
        director: DirectorAgent | type[DirectorAgent] | None = None,
        chronicler: ChroniclerAgent | type[ChroniclerAgent] | None = None,
        personas: Mapping[str, PersonaAgent] | None = None,
        pace: float | None = None,
        brain: Brain | None = None,
        caps: Caps | None = None,
    ) -> None:
        self.handle = handle
        self.user_id = user_id
        self.agents = Agents(
            self._characters, director=director, chronicler=chronicler, personas=personas, brain=brain
        )
        self.hooks = Hooks()
        self.billing = Billing(handle, caps)
        self.advising = Advising(handle, self.agents, self.billing, self._note)
        self.pace = pace
        self.last_error: BaseException | None = None
        """What went wrong in an agent last."""
        self._readings = Readings(handle)
        self._offs: list[Callable[[], None]] = []
        self._asking: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._request: Request | None = None
        self._begun = False
        self._streams: list[ProseStream] = []
        self._submitted: set[str] = set()
        self._retold_at = 0

    def _characters(self) -> Collection[str]:
        return rules_of(self.handle.state)["seats"]

    @property
    def director(self) -> DirectorAgent:
        return self.agents.director

    @director.setter
    def director(self, director: DirectorAgent | type[DirectorAgent]) -> None:
        self.agents.director = director

    @property
    def chronicler(self) -> ChroniclerAgent:
        return self.agents.chronicler

    @chronicler.setter
    def chronicler(self, chronicler: ChroniclerAgent | type[ChroniclerAgent]) -> None:
        self.agents.chronicler = chronicler

    @property
    def is_hosting(self) -> bool:
        """Whether this kernel holds the lease, as far as the replica knows."""
        return "host" in self.handle.state and rules_of(self.handle.state)["host"]["holder"] == self.user_id

    @property
    def is_busy(self) -> bool:
        return self._running is not None and not self._running.done()

    def start(self) -> AgentHost:
        """Ask for the lease as soon as it is free, and do what its holder is asked."""
        on = self.handle.on
        self._offs = [
            on("turn_request", self._requested),
            on("changed", lambda _: self._look()),
            on("online", lambda _: self._back()),
            on("retelling", self._retelling),
            on("error", self._live_refused),
            on("resolved", self._stored),
            on("turn", self._stored),
        ]
        self._look()
        return self

    async def stop(self) -> None:
        """Stop what runs and give the lease back."""
        for off in self._offs:
            off()
        self._offs = []
        self.hooks.stop()
        await self.advising.stop()
        await self._readings.stop()
        for task in (self._asking, self._running):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self.is_hosting and self.handle.joined:
            with contextlib.suppress(NovelError, TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self.handle.release_lease()

    # --- the lease

    def _look(self) -> None:
        """What the state asks of this host now."""
        state = self.handle.state
        if "host" not in state:
            return
        host = rules_of(state)["host"]
        free = host["holder"] is None and self.user_id in host["admitted"]
        if free and self.handle.joined and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask())
        if host["holder"] == self.user_id:
            self.advising.look()
            self._readings.look()
        if self._begun and self._request and not self._request.is_current(state, self.user_id):
            self._cancel()

    async def _ask(self) -> None:
        try:
            await self.handle.request_lease()
        except CommandRefused as refused:
            log.debug("no lease: %s", refused)
        except NovelError:
            pass  # the session is over; whoever waits for it hears so

    def _back(self) -> None:
        """The connection is back: the server may have missed streamed prose."""
        self._rewind()
        self._look()

    def _live_refused(self, frame: Frame) -> None:
        if frame.get("id") is None and "expected" in frame["data"]:
            self._rewind()

    # --- requests

    def _requested(self, frame: Frame) -> None:
        request = Request(frame["data"])
        if self.is_busy:
            if self._request and self._request.key == request.key:
                return
            self._cancel()
        self._request, self._begun = request, False
        self._running = asyncio.create_task(self._run(request))

    def _retelling(self, frame: Frame) -> None:
        self._retold_at = frame["sequence_id"]

    def _cancel(self) -> None:
        """The state no longer asks for what runs; what it wanted to commit is not sent any more."""
        self._begun = False
        if self._running is not None:
            self._running.cancel()
        for id in self._submitted:
            self.handle.give_up(id)
        self._submitted.clear()

    async def _run(self, request: Request) -> None:
        def current(state: State) -> bool:
            return request.is_current(state, self.user_id)

        try:
            await self.handle.wait_for(current, REACH_SECONDS)
        except TimeoutError:
            return  # overtaken: what it asked for is done or undone
        except NovelError:
            return
        self._begun = True
        try:
            for _ in range(HISTORIES):
                try:
                    return await self._do(request)
                except CommandRefused as refused:
                    # What was made of a history that is gone is made of the one that stands now.
                    if refused.code != GONE or not current(self.handle.state):
                        raise
        except NovelError as error:
            log.debug("the result was not delivered: %s", error)
        finally:
            if self._request is request:
                self._begun = False

    async def _do(self, request: Request) -> None:
        """Let the agents work, and commit what they made. Raises NovelError."""
        resolving = request.task == "resolve"
        try:
            async with asyncio.timeout(AGENTS_SECONDS):
                show = partial(self._progress, request)
                with self.billing.of_task(request, show) as account:
                    data, made = await (self._resolve(request) if resolving else self._narrate(request))
            data["made_by"] = account.signed(cast(Any, data["made_by"]))
            # What an agent made may be anything; what cannot travel fails here, not in the queue.
            orjson.dumps(data)
        except (Exception, SystemExit) as error:
            self._note(error)
            step = RESULT if resolving else NARRATIVE
            await self._commit(request, step, self._failure(request, _word(error)))
            return
        await self._deliver(request, data, made)

    async def _deliver(self, request: Request, data: dict[str, JsonValue], made: list[Made]) -> None:
        """Commit; where the rules do not take it, say so instead of leaving the turn without an end."""
        step = RESULT if request.task == "resolve" else NARRATIVE
        try:
            await self._commit(request, step, data, made)
        except CommandRefused as refused:
            if refused.code == GONE:
                raise
            self._note(refused)
            step = RESULT_REFUSED if request.task == "resolve" else NARRATIVE_REFUSED
            await self._commit(request, step, self._failure(request, "refused"))

    def _stored(self, frame: Frame) -> None:
        """A result or a telling is in the log."""
        if frame["id"] is not None:
            self.hooks.committed(frame["id"])

    async def _commit(
        self, request: Request, step: int, data: dict[str, JsonValue], made: Iterable[Made] = ()
    ) -> None:
        """Send one of the steps of a turn. Raises CommandRefused, but for what is over already."""
        name = f"host:{request.data['turn']}.{request.data['attempt']}"
        if request.data.get("retelling"):
            name += f".r{self._retold_at or self.handle.sequence_id}"
        # A late refusal of an earlier holder may have used the number up; the token makes it another one.
        for client_id in (name, f"{name}.t{request.data['token']}"):
            id = f"{client_id}:{step}"
            self._submitted.add(id)
            self.hooks.prepare(id, made)
            try:
                await self.handle.submit("agent_action", data, id)
                self.hooks.committed(id)
                return
            except CommandRefused as refused:
                if refused.code in OVER:
                    log.debug("not taken: %s", refused)
                    return
                if refused.code != "id_reused" or client_id != name:
                    raise
            finally:
                if self.handle.answered(id):
                    self._submitted.discard(id)

    def _failure(self, request: Request, code: str) -> dict[str, JsonValue]:
        kind = "turn_failed" if request.task == "resolve" else "narration_failed"
        return {"kind": kind, **request.fence, "code": code}

    def _note(self, error: BaseException) -> None:
        self.last_error = error
        # Its words may quote a key or a prompt, and what is logged can end up in a saved notebook.
        log.error("an agent failed: %s (the error itself is story.host.last_error)", way_of(error))

    # --- the agents

    async def _resolve(self, request: Request) -> tuple[dict[str, JsonValue], list[Made]]:
        director, base = self.director, self.handle.sequence_id
        session = HostSession(request, self.handle.state)
        at_once = request.data["policy"] == "immediate" and len(session.proposals) == 1
        proposal = next(iter(session.proposals.values()), None)
        # What was overruled is no user's action, though it is adjudicated as it comes all the same.
        if at_once and proposal and not proposal.overruled:
            self._progress(request, director.name, "is weighing what happens")
            result = await director.process_user_action(session, proposal.user_id, proposal.action)
            outcome = result.turn
        else:
            turn = session.turn_input(session.proposals, immediate=at_once)
            outcome = await director.run_turn(turn, partial(self._progress, request))
        data = result_of(outcome, request, base)
        return data, list(made_by_turn(outcome, request.data["branch"]))

    async def _narrate(self, request: Request) -> tuple[dict[str, JsonValue], list[Made]]:
        chronicler, brain = self.chronicler, self.chronicler.brain
        record = request.record_in(self.handle.state)

        self._progress(request, chronicler.name, "is telling the turn")
        seats = self._seats(chronicler, request, record)
        owned = {who for who, seat in rules_of(self.handle.state)["seats"].items() if seat["owner"]}
        stream = self._stream(request)
        self._streams = [stream]
        sentences: list[Sentence] = []
        try:
            for seat in seats:
                if seat.character in owned:
                    self._streams.append(self._stream(request, seat.character))
                    self._streams[-1].add(seat.text)
            async for sentence in chronicler.stream(record):
                stream.add(chunk(sentence, first=not sentences))
                sentences.append(sentence)
            for each in self._streams:
                await each.finish()
        finally:
            for each in self._streams:
                each.close()
            self._streams = []
        narrative = chronicler.bind(record, sentences, seats)
        if chronicler.brain is not brain:
            # Another one was put in place meanwhile; this is the work of the first.
            signed = replace(narrative.made_by, engine=brain.engine, model=brain.model)
            narrative = replace(narrative, made_by=signed)
        data = {"kind": "narrative", **narrative.to_wire(token=request.data["token"]), **request.fence}
        return data, list(made_by_telling(narrative, request.data["branch"]))

    def _stream(self, request: Request, seat: str | None = None) -> ProseStream:
        """The way of one telling: that of onlookers, or a seat's own."""
        whose = {"seat": seat} if seat else {}

        def send(offset: int, text: str) -> bool:
            data = {"kind": "narration", **request.fence, "offset": offset, "text": text, **whose}
            return self.handle.send_live("story_update", data)

        return ProseStream(send, self.pace)

    def _rewind(self) -> None:
        for stream in self._streams:
            stream.rewind()

    def _seats(
        self, chronicler: ChroniclerAgent, request: Request, record: TurnRecord
    ) -> list[SeatNarrative]:
        """The turn as each character witnessed it: whoever takes a seat later reads what was before."""
        state = self.handle.state
        told = (
            chronicler.tell_seat(record, who, request.seat_recent(state, who))
            for who in sorted(rules_of(state)["seats"])
            if f"seat:{who}" in state
        )
        return [seat for seat in told if seat is not None]

    def _progress(self, request: Request, agent: str, text: str) -> None:
        data: dict[str, Any] = {"kind": "progress", **request.fence, "agent": agent[:120], "text": text[:200]}
        self.handle.send_live("system_message", {**data, **spent_now()})


def _word(error: BaseException) -> str:
    """What others learn of an agent's failure."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, LookupError):
        return "missing"
    return "brain" if isinstance(error, BrainError) else "agent"
