"""REST for guests: the owner's invites, the exchange of a link for a cookie, tickets for sockets.

Law: an invite's link carries its token behind a `#`, which no browser sends to a server or a third party. The
exchange is the only place where it is taken. A cookie is HttpOnly, and is sent to `novel/` alone.
Parts: one handler for each resource, `HANDLERS`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.utils import url_path_join
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tornado.web import HTTPError

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import AdmitGuest, Invite, Rename, RevokeInvite
from novel_jupyter.core.model import InviteState
from novel_jupyter.core.policy import SERVER, require
from novel_jupyter.core.views import rules_of

from .guests import TICKET_SECONDS, cookie_name, guest_of, new_guest
from .rest import NovelHandler
from .session import Session

_Body = TypeVar("_Body", bound=BaseModel)


class Arrival(BaseModel):
    """The body of `POST guests`: the link's token, and a name to be shown by."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: Annotated[str, Field(max_length=1024)]
    name: Annotated[str, Field(min_length=1, max_length=60)]


class TicketFor(BaseModel):
    """The body of `POST ticket`: the session that the socket is for, which guests must say."""

    model_config = ConfigDict(extra="forbid", strict=True)
    session_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


def _checked(model: type[_Body], said: object) -> _Body:
    """Raises HTTPError 400, naming the field."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise HTTPError(400, f"{where}: {first['msg']}".replace("%", "%%")) from None


class InvitesHandler(NovelHandler):
    """The invites of a session: the owner's alone."""

    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        principal, session = await self.mine(session_id, "read")
        require(session.live.room.state, principal, "invite")
        standing = rules_of(session.live.room.state)["session"].get("invites", {})
        shown = [self._shown(session, int(id), entry) for id, entry in standing.items()]
        self.answer({"invites": shown})

    @allow_unauthenticated
    async def post(self, session_id: str) -> None:
        """Make one: `{"role", "uses", "seconds"}`."""
        principal, session = await self.mine(session_id, "write")
        number = await self.command(session, principal, _checked(Invite, {**self.body(), "kind": "invite"}))
        entry = rules_of(session.live.room.state)["session"].get("invites", {}).get(str(number))
        if entry is None:
            raise Refused("no_invite")  # revoked in the same moment
        self.answer(self._shown(session, number, entry), 201)

    def _shown(self, session: Session, number: int, entry: InviteState) -> dict[str, Any]:
        token = self.hub.guests.invite_token(session, number, entry)
        path = url_path_join(self.base_url, "novel/s", session.id)
        guests = [
            {"user_id": user, "name": known["name"]}
            for user, known in rules_of(session.live.room.state)["participants"].items()
            if known.get("guest") == number
        ]
        return {"invite": number, **entry, "path": f"{path}#invite={token}", "guests": guests}


class InviteHandler(NovelHandler):
    @allow_unauthenticated
    async def delete(self, session_id: str, number: str) -> None:
        """Revoke it; who came by it is removed."""
        principal, session = await self.mine(session_id, "write")
        await self.command(session, principal, RevokeInvite(kind="revoke_invite", invite=int(number)))
        self.answer({})


class GuestsHandler(NovelHandler):
    @allow_unauthenticated
    async def post(self) -> None:
        """Exchange an invite for a cookie that is good for this session. No login; XSRF is checked."""
        said = _checked(Arrival, self.body())
        session, number = await self.hub.guests.by_invite(said.token)
        guest = new_guest()
        await self.command(
            session, SERVER, AdmitGuest(kind="admit_guest", invite=number, guest=guest, name=said.name)
        )
        value, until = self.hub.guests.cookie(session, guest)
        self.set_cookie(
            cookie_name(session.id),
            value,
            path=url_path_join(self.base_url, "novel/"),
            expires=float(until),
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )
        known = rules_of(session.live.room.state)["participants"][guest]
        self.answer(
            {"session_id": session.id, "user_id": guest, "name": known["name"], "role": known["role"]}, 201
        )


class GuestHandler(NovelHandler):
    @allow_unauthenticated
    async def patch(self, session_id: str, guest: str) -> None:
        """Show a guest by another name: `{"name"}`; the owner's right."""
        principal, session = await self.mine(session_id, "write")
        body = {**self.body(), "kind": "rename", "target": guest}
        await self.command(session, principal, _checked(Rename, body))
        self.answer(
            {"user_id": guest, "name": rules_of(session.live.room.state)["participants"][guest]["name"]}
        )


class TicketHandler(NovelHandler):
    @allow_unauthenticated
    async def post(self) -> None:
        """A ticket that opens one socket within half a minute."""
        said = _checked(TicketFor, self.body())
        principal, expires = await self.principal("execute", said.session_id)
        self.answer({"ticket": self.hub.tickets.issue(principal, expires), "expires_in": TICKET_SECONDS})


class MeHandler(NovelHandler):
    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        """Who asks, as this session knows them. A page learns from it whether it has to ask for a name."""
        principal, session = await self.mine(session_id, "read")
        guest = guest_of(session, principal.user_id)
        self.answer({"user_id": principal.user_id, "name": principal.name, "guest": guest is not None})


_ID = r"([0-9a-f]{32})"
HANDLERS: list[tuple[str, type[NovelHandler]]] = [
    (rf"/novel/api/sessions/{_ID}/invites", InvitesHandler),
    (rf"/novel/api/sessions/{_ID}/invites/([0-9]{{1,15}})", InviteHandler),
    (rf"/novel/api/sessions/{_ID}/guests/(guest:[0-9a-f]{{32}})", GuestHandler),
    (rf"/novel/api/sessions/{_ID}/me", MeHandler),
    (r"/novel/api/guests", GuestsHandler),
    (r"/novel/api/ticket", TicketHandler),
]
