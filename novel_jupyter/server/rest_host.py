"""REST: start the agents of a session in a kernel of this server, and stop them.

Law: a kernel that is started here is an ordinary one of the server, seen and ended like any other; it hosts
because who directs said so, and who may not run kernels on this server starts none. One is started for a
session at a time. What the kernel says goes to nobody.
Parts: `Agents` (the kernels that were started here), `HostHandler`, `HANDLERS`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import AdmitHost
from novel_jupyter.core.policy import Principal, require
from novel_jupyter.core.views import rules_of

from .rest import NovelHandler
from .session import Session

CODE: Final = "import novel_jupyter as nj\nstory = await nj.join({session_id!r})"
START_SECONDS: Final = 60.0
MOST_STARTED: Final = 64
"""Kernels of this server that were started for sessions and still run."""


class Agents:
    """session_id → kernel_id of the kernels that were started here."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self._started: dict[str, str] = {}
        self._starting: set[str] = set()

    def running(self, session_id: str) -> str | None:
        kernel_id = self._started.get(session_id)
        if kernel_id is not None and kernel_id not in self._kernels:
            del self._started[session_id]  # somebody ended it, as one may
            return None
        return kernel_id

    async def start(self, session_id: str) -> str:
        """A new kernel, running and known for this session. Raises Refused `lease_held`, `too_many`."""
        if session_id in self._starting or self.running(session_id):
            raise Refused("lease_held", "a kernel was started for this session already")
        for other in list(self._started):
            self.running(other)
        if len(self._started) + len(self._starting) >= MOST_STARTED:
            raise Refused("too_many", f"this server runs {MOST_STARTED} kernels for stories already")
        self._starting.add(session_id)
        try:
            kernel_id: str = await self._kernels.start_kernel()
            self._started[session_id] = kernel_id
            return kernel_id
        finally:
            self._starting.discard(session_id)

    async def host(self, session_id: str, kernel_id: str) -> None:
        """Have the kernel join the session, where it then hosts. Raises Refused `internal` if it cannot."""
        client = self._kernels.get_kernel(kernel_id).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=START_SECONDS)
            said = await client.execute(
                CODE.format(session_id=session_id), reply=True, timeout=START_SECONDS, allow_stdin=False
            )
        except (TimeoutError, RuntimeError):
            raise Refused("internal", "the kernel did not start in time") from None
        finally:
            client.stop_channels()
        if said["content"]["status"] != "ok":
            raise Refused(
                "internal", "the kernel could not join: is novel_jupyter installed in its environment?"
            )

    async def stop(self, session_id: str) -> bool:
        """End the kernel that was started for a session. False: there is none."""
        kernel_id = self.running(session_id)
        if kernel_id is None:
            return False
        del self._started[session_id]
        await self._kernels.shutdown_kernel(kernel_id)
        return True


class HostHandler(NovelHandler):
    @allow_unauthenticated
    async def post(self, session_id: str) -> None:
        """Start a kernel that runs the agents: `{"kernel": "kernel:<id>"}`, 201."""
        principal, session, agents = await self._asked(session_id)
        holder = rules_of(session.live.room.state)["host"]["holder"]
        if holder is not None:
            raise Refused("lease_held", "a kernel runs the agents already")
        kernel_id = await agents.start(session_id)
        kernel = f"kernel:{kernel_id}"
        try:
            await self.command(session, principal, AdmitHost(kind="admit_host", kernel=kernel))
            await agents.host(session_id, kernel_id)
        except BaseException:
            await asyncio.shield(agents.stop(session_id))
            raise
        self.answer({"kernel": kernel}, 201)

    @allow_unauthenticated
    async def delete(self, session_id: str) -> None:
        """End the kernel that was started here; another may take over, and nothing is lost."""
        _, _, agents = await self._asked(session_id)
        self.answer({"stopped": await agents.stop(session_id)})

    async def _asked(self, session_id: str) -> tuple[Principal, Session, Agents]:
        principal, session = await self.mine(session_id, "execute")
        require(session.live.room.state, principal, "admit_host")
        user, kernels = self.current_user, self.settings.get("kernel_manager")
        if kernels is None or user is None or principal.is_kernel:
            raise Refused(
                "forbidden", "agents are started by people of this server, not by guests or kernels"
            )
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "kernels")):
            raise Refused("forbidden", "you may not run kernels on this server")
        agents = self.settings.setdefault("novel_jupyter_agents", Agents(kernels))
        assert isinstance(agents, Agents)
        return principal, session, agents


HANDLERS: list[tuple[str, type[NovelHandler]]] = [
    (r"/novel/api/sessions/([0-9a-f]{32})/host", HostHandler),
]
