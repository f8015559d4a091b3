"""REST, for everything that is not live: stories, sessions, history, exports.

Law: the same identity, policy and view as on the socket. Errors are `{"code", "message"}`; bodies and pages
are bounded. A session is shown only to those who belong to it; to others it does not exist.
Parts: one handler for each resource, `HANDLERS`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from orjson import Fragment, dumps
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tornado.web import HTTPError

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import decode
from novel_jupyter.core.messages import ChangeSettings, SetStatus, SystemCommand, SystemMessage
from novel_jupyter.core.model import DEFAULT_SETTINGS, Settings, State
from novel_jupyter.core.policy import Principal, reason_not, standing_of
from novel_jupyter.core.room import Reply
from novel_jupyter.core.views import PUBLIC, project_state, rules_of, view_hash, view_of, wire_bytes

from .exports import EXPORTS
from .identity import IdentityMixin
from .live import Asked
from .ports import LogTrimmed, StoreError
from .session import Session
from .sync import full_state

STATUS = {
    "no_session": 404,
    "no_invite": 410,
    "no_participant": 404,
    "forbidden": 403,
    "too_many": 429,
    "rate": 429,
    "unavailable": 503,
    "internal": 500,
}
HTTP_CODES = {
    401: "forbidden",
    403: "forbidden",
    404: "no_session",
    421: "elsewhere",
    429: "rate",
    503: "unavailable",
}
PAGE_EVENTS = 500
BODY_BYTES = 262_144


class NewSession(BaseModel):
    """The body of `POST sessions`: a bundled story by name, or a story file's text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    story: Annotated[str, Field(max_length=64)] | None = None
    text: Annotated[str, Field(max_length=262_144)] | None = None
    settings: dict[str, Any] = {}
    seed: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class NovelHandler(IdentityMixin, APIHandler):
    """What the handlers share: the hub, who asks, and how an error is told."""

    def answer(self, data: object, status: int = 200) -> None:
        self.set_status(status)
        self.finish(dumps(data))

    def refuse(self, code: str, text: str, status: int | None = None, **more: object) -> None:
        self.answer({"code": code, "message": text, **more}, status or STATUS.get(code, 400))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            return self.refuse(error.code, error.message)
        if isinstance(error, StoreError):
            self.hub.log.failure("rest", error)
            return self.refuse("unavailable", "the store cannot be reached")
        if isinstance(error, HTTPError):
            code = HTTP_CODES.get(status_code, "invalid")
            return self.refuse(code, error.log_message or "refused", status_code)
        reference = self.hub.log.failure("rest", error) if error else None
        return self.refuse("internal", "the server failed at this", 500, reference=reference)

    def log_exception(self, *args: Any) -> None:
        """`write_error` logs what is ours, without the words of the exception."""

    def body(self) -> Any:
        """The JSON object of the request. Raises HTTPError 400 or 413."""
        if len(self.request.body) > BODY_BYTES + (
            0 if self.client_of else self.hub.config.bounds.frame_bytes
        ):
            raise HTTPError(413, "the body is too large")
        try:
            found = self.get_json_body()
        except UnicodeDecodeError:
            raise HTTPError(400, "the body is JSON in UTF-8") from None
        if found is not None and not isinstance(found, dict):
            raise HTTPError(400, "the body is one JSON object")
        return found or {}

    async def mine(self, session_id: str, action: str) -> tuple[Principal, Session]:
        """Who asks, and the session, if it is theirs to see. Raises Refused `no_session`."""
        principal, _ = await self.principal(action, session_id)
        session = await self.hub.session(session_id)
        if standing_of(session.live.room.state, principal) == "stranger":
            raise Refused("no_session")
        return principal, session

    async def command(self, session: Session, author: Principal, data: SystemCommand) -> int:
        """Have a command decided; the sequence_id of the last event that it made. Raises Refused."""
        message = SystemMessage(
            type="system_message", session_id=session.id, id=f"rest-{secrets.token_hex(8)}:1", data=data
        )
        decided: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        session.live.ask(Asked(author, message, decided.set_result))
        reply = await decided
        if reply.data["kind"] == "error":
            raise Refused(str(reply.data["code"]), str(reply.data["message"]))
        return reply.sequence_id

    def number(self, name: str, default: int, most: int) -> int:
        text = self.get_argument(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise HTTPError(400, f"{name} is a whole number from 0")
        return min(int(text), most)


class StoriesHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self) -> None:
        await self.principal("read")
        self.answer({"stories": await asyncio.to_thread(self.hub.stories.listing)})


class SessionsHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self) -> None:
        """The sessions of who asks (a kernel: those that it may host), latest activity first."""
        principal, _ = await self.principal("read")
        limit = max(1, self.number("limit", 50, 200))
        try:
            page = await self.hub.store.sessions(principal.user_id, limit, self.get_argument("cursor", None))
        except ValueError:
            raise HTTPError(400, "this cursor was given by no page") from None
        shown = [
            {
                "session_id": info.session_id,
                "story": info.story,
                "title": info.title,
                "status": info.status,
                "created_at": info.created_at,
                "last_activity": info.last_activity,
                # People: a kernel that runs the agents is nobody to meet there.
                "members": sum(not user_id.startswith("kernel:") for user_id, _ in info.members),
            }
            for info in page.sessions
        ]
        self.answer({"sessions": shown, "cursor": page.cursor})

    @allow_unauthenticated
    async def post(self) -> None:
        """Create a session; its creator is the owner, unless a kernel made it."""
        principal, _ = await self.principal("write")
        if not principal.may_begin:
            return self.refuse("forbidden", "you may watch stories here, and not begin them")
        try:
            wanted = NewSession.model_validate(self.body())
            changes = ChangeSettings.model_validate({"kind": "set_settings", **wanted.settings})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return self.refuse("invalid", f"{where or 'body'}: {first['msg']}", 400)
        if (wanted.story is None) == (wanted.text is None):
            return self.refuse("invalid", "give a story by name, or a story file's text", 400)
        from . import engine

        try:
            opening = await asyncio.to_thread(self.hub.stories.opening, wanted.story, wanted.text)
        except engine.StoryError as error:
            return self.refuse("bad_story", str(error), 400)
        settings = self._settings(changes)
        self.hub.may_create(principal)
        session_id = await self.hub.create(opening, principal, settings, wanted.seed)
        self.answer(
            {"session_id": session_id, "title": opening.title, "story": opening.story, "settings": settings},
            201,
        )

    def _settings(self, changes: ChangeSettings) -> Settings:
        said = changes.model_dump(exclude={"kind"}, exclude_none=True)
        if said.get("collect_timeout") == 0:
            said["collect_timeout"] = None
        return cast(Settings, {**DEFAULT_SETTINGS, **self.hub.config.default_settings, **said})


class SessionHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        principal, session = await self.mine(session_id, "read")
        rules, head = rules_of(session.live.room.state), session.live.head
        self.answer(
            {
                "session_id": session_id,
                "session": rules["session"],
                "participants": rules["participants"],
                "turn": rules["turn"],
                "head": _head(session),
                "sequence_id": head.sequence_id,
                "view": view_of(session.live.room.state, principal.user_id, principal.is_kernel),
                "present": session.whereabouts.who(),
            }
        )


class StateHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        """The state as the asker sees it, with its hash."""
        principal, session = await self.mine(session_id, "read")
        view, room = session.view(principal), session.live.room
        head, whole, state = _head(session), room.state, full_state(room, view)
        hashed = await asyncio.to_thread(view_hash, whole, view)
        self.answer({"head": head, "view": view, "state": state, "hash": hashed})


class ActionsHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        """What a character may try now, for who plays it, and, as far as everybody could see it, for who
        directs: `{"actions": [{"action", "words", "kind"}]}`.
        """
        principal, session = await self.mine(session_id, "read")
        character = self.get_argument("character", "")
        if character not in rules_of(session.live.room.state)["seats"]:
            raise Refused("unknown_character")
        from . import engine

        whole, view = session.live.room.state, session.view(principal)
        state = full_state(session.live.room, view)
        if f"seat:{character}" in state:
            found = engine.offers(cast(State, state), character)
        elif reason_not(standing_of(whole, principal), "overrule") is None:
            found = engine.offers_from_outside(cast(State, project_state(whole, PUBLIC)), character)
        else:
            raise Refused("not_your_seat", "what a character may try is told to who plays it")
        self.answer({"actions": [offer.to_json() for offer in found], "head": _head(session), "view": view})


class EventsHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        """A page of the log in the asker's view: events after `after`, at most `limit`."""
        principal, session = await self.mine(session_id, "read")
        after, limit = self.number("after", 0, 2**53), max(1, self.number("limit", 100, PAGE_EVENTS))
        view = view_of(session.live.room.state, principal.user_id, principal.is_kernel)
        try:
            entries = await self.hub.store.read(session_id, after, limit)
        except LogTrimmed as trimmed:
            return self.refuse("trimmed", f"the events kept begin after {trimmed.floor}", floor=trimmed.floor)
        events = [decode(entry.body, entry.hash) for entry in entries]
        shown = [Fragment(wire_bytes(session_id, event, view)) for event in events]
        self.answer({"events": shown, "view": view, "head": _head(session)})


class ArchiveHandler(NovelHandler):
    @allow_unauthenticated
    async def post(self, session_id: str, verb: str) -> None:
        """Archive a session, or take it out of the archive: the owner's right."""
        principal, session = await self.mine(session_id, "write")
        await self.command(session, principal, SetStatus.model_validate({"kind": verb}))
        self.answer(
            {"session_id": session_id, "status": rules_of(session.live.room.state)["session"]["status"]}
        )


class ExportHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str, form: str) -> None:
        """The story so far as a file, in the asker's view."""
        principal, session = await self.mine(session_id, "read")
        view = view_of(session.live.room.state, principal.user_id, principal.is_kernel)
        content_type, render = EXPORTS[form]
        body = await render(self.hub.store, session, view)
        self.set_header("Content-Disposition", f'attachment; filename="story-{session_id[:8]}.{form}"')
        self.finish(body, set_content_type=content_type)


def _head(session: Session) -> dict[str, object]:
    head = session.live.head
    return {"epoch": head.epoch, "sequence_id": head.sequence_id, "hash": head.hash}


_ID = r"([0-9a-f]{32})"
HANDLERS: list[tuple[str, type[NovelHandler]]] = [
    (r"/novel/api/stories", StoriesHandler),
    (r"/novel/api/sessions", SessionsHandler),
    (rf"/novel/api/sessions/{_ID}", SessionHandler),
    (rf"/novel/api/sessions/{_ID}/state", StateHandler),
    (rf"/novel/api/sessions/{_ID}/actions", ActionsHandler),
    (rf"/novel/api/sessions/{_ID}/events", EventsHandler),
    (rf"/novel/api/sessions/{_ID}/(archive|unarchive)", ArchiveHandler),
    (rf"/novel/api/sessions/{_ID}/export\.(md|json|html)", ExportHandler),
]
