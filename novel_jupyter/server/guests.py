"""Guests at the door: invites as signed links, guests' cookies, and single-use tickets for sockets.

Law: what is signed says which session, and is signed with a key that follows from that session's own secret;
it is worth nothing for any other session, purpose or Jupyter API, and no more than the log still says. A
ticket lives for half a minute, in this process, and opens one socket.
Parts: `Guests` (invites and cookies), `Tickets`.
"""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from jupyter_server.base.handlers import JupyterHandler

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.guests import invite_of
from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.model import InviteState
from novel_jupyter.core.policy import GUEST, Principal
from novel_jupyter.core.times import parse_time
from novel_jupyter.core.views import rules_of

if TYPE_CHECKING:
    from .hub import Hub
    from .session import Session

Purpose: TypeAlias = Literal["invite", "guest"]
ALGORITHM: Final = "HS256"
MAX_TOKEN: Final = 1024
TICKET_SECONDS: Final = 30.0
TICKETS_KEPT: Final = 10_000


def cookie_name(session_id: str) -> str:
    return f"novel-guest-{session_id}"


def _key(session: Session, purpose: Purpose) -> bytes:
    return hmac.new(session.live.room.salt, f"novel_jupyter {purpose}".encode(), sha256).digest()


class Guests:
    """Who comes with something that a session's server signed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._doubtful = TokenBucket(rate=20.0, burst=200.0)

    def invite_token(self, session: Session, invite: int, entry: InviteState) -> str:
        """What stands in the link of an invite. The same for as long as the invite stands."""
        return self._sign(session, "invite", {"inv": invite}, _seconds(entry))

    def cookie(self, session: Session, guest: str) -> tuple[str, int]:
        """(value, moment at which it ends, in seconds) of a guest's cookie. Raises Refused `no_invite`."""
        entry = invite_of(rules_of(session.live.room.state), guest)
        if entry is None:
            raise Refused("no_invite")
        return self._sign(session, "guest", {"sub": guest}, _seconds(entry)), _seconds(entry)

    async def by_invite(self, token: str) -> tuple[Session, int]:
        """The session and the invite that a link speaks of. Raises Refused `no_invite`, `rate`."""
        found = await self._verified(token, "invite")
        if found is None:
            raise Refused("no_invite")
        session, claims = found
        return session, int(claims["inv"])

    async def by_cookie(self, handler: JupyterHandler, session_id: str) -> tuple[Principal, float] | None:
        """The guest of this session who sent the request, and the moment at which the invite ends."""
        token = handler.get_cookie(cookie_name(session_id))
        found = await self._verified(token, "guest") if token else None
        if found is None or found[0].id != session_id:
            return None
        session, claims = found
        return guest_of(session, str(claims["sub"]))

    def _sign(self, session: Session, purpose: Purpose, claims: dict[str, Any], until: int) -> str:
        import jwt  # with all its algorithms: not while Jupyter starts

        said = {**claims, "aud": purpose, "sid": session.id, "exp": until}
        return jwt.encode(said, _key(session, purpose), ALGORITHM)

    async def _verified(self, token: str, purpose: Purpose) -> tuple[Session, dict[str, Any]] | None:
        """The session and the claims of what was signed for this purpose. Raises Refused `rate`."""
        if len(token) > MAX_TOKEN:
            return None
        import jwt

        try:
            # Which key is told by the claims themselves: they are believed only once the key fits.
            session_id = jwt.decode(token, options={"verify_signature": False}).get("sid")
            if not isinstance(session_id, str) or len(session_id) != 32:
                return None
            if self._hub.live(session_id) is None and self._doubtful.take(time.monotonic()) > 0:
                # Loading a session is work, and nobody has proved anything yet.
                raise Refused("rate", retry_after=1.0)
            session = await self._hub.session(session_id)
            claims = jwt.decode(
                token,
                _key(session, purpose),
                [ALGORITHM],
                audience=purpose,
                options={"require": ["exp", "sid", "aud"]},
            )
        except jwt.InvalidTokenError:
            return None
        except Refused as refused:
            if refused.code == "no_session":
                return None
            raise
        return session, claims


def guest_of(session: Session, user_id: str) -> tuple[Principal, float] | None:
    """(principal, moment at which the invite ends) of a guest who may still be here."""
    rules = rules_of(session.live.room.state)
    entry = invite_of(rules, user_id)
    if entry is None or _seconds(entry) <= time.time():
        return None
    name = rules["participants"][user_id]["name"]
    return Principal(user_id, name, joins_as="none", only=session.id), float(_seconds(entry))


def new_guest() -> str:
    return GUEST + secrets.token_hex(16)


def _seconds(entry: InviteState) -> int:
    return int(parse_time(entry["until"]).timestamp())


class Tickets:
    """Single-use: who asked over REST, where the page of another site cannot ask, may open one socket."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Principal, float | None, float]] = {}

    def issue(self, principal: Principal, expires: float | None) -> str:
        """Raises Refused `rate` when too many are open."""
        now = time.monotonic()
        for ticket in [t for t, (_, _, until) in self._kept.items() if until <= now]:
            del self._kept[ticket]
        if len(self._kept) >= TICKETS_KEPT:
            raise Refused("rate", retry_after=TICKET_SECONDS)
        ticket = secrets.token_urlsafe(32)
        self._kept[ticket] = (principal, expires, now + TICKET_SECONDS)
        return ticket

    def take(self, ticket: str) -> tuple[Principal, float | None] | None:
        """Whose ticket this was; it is worth nothing from now on."""
        found = self._kept.pop(ticket, None)
        if found is None or found[2] <= time.monotonic():
            return None
        return found[0], found[1]
