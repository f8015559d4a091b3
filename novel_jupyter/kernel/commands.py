"""What can be asked of a session, one method for each command.

Law: every method queues its command at once, also while offline, and returns when the server has decided and
the replica shows what came of it. `CommandRefused` says why not.
Parts: `Ack`, `Commands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from pydantic import JsonValue

from novel_jupyter.core.model import Role
from novel_jupyter.core.patch import Op

Word: TypeAlias = Literal["start", "lock", "cancel", "pause", "resume", "accept", "reroll"]


@dataclass(frozen=True, slots=True)
class Ack:
    """The server's yes. `sequence_id` is that of the last event that the command itself made."""

    outcome: Literal["applied", "merged", "conflicted", "suggested"]
    sequence_id: int


class Commands:
    """The commands of a session.

    All raise CommandRefused, and ConnectionStopped when there is no more connection.
    """

    @property
    def sequence_id(self) -> int:
        """The sequence_id that the replica has reached."""
        raise NotImplementedError

    async def command(self, type: str, data: dict[str, JsonValue], id: str | None = None) -> Ack:
        """Any command, as it stands on the wire; numbered unless `id` is given."""
        raise NotImplementedError

    # --- the story -----

    async def edit(self, patch: Sequence[Op | Mapping[str, JsonValue]], base: int | None = None) -> Ack:
        """Change the state by RFC 6902 operations, made against `base` (default: what the replica shows
        now).
        """
        data = {"base": self.sequence_id if base is None else base, "patch": [dict(op) for op in patch]}
        return await self.command("story_update", cast("dict[str, JsonValue]", data))

    async def chat(self, text: str, anchor: Mapping[str, JsonValue] | None = None) -> Ack:
        """Say something; with `anchor` (`{"target", "position"?}`) it is a comment on a passage."""
        data: dict[str, JsonValue] = {"kind": "chat", "text": text}
        return await self.command("story_update", data | ({"anchor": dict(anchor)} if anchor else {}))

    async def settle(self, record: str, take: bool) -> Ack:
        """Take or drop what a conflict record or a suggestion keeps; `record` is its path."""
        return await self.command("story_update", {"kind": "settle", "record": record, "take": take})

    async def restore_edit(self, sequence_id: int) -> Ack:
        """Bring back an edit that an undo took away."""
        return await self.command("story_update", {"kind": "restore_edit", "sequence_id": sequence_id})

    # --- a character ---

    async def propose(self, character: str, action: Mapping[str, JsonValue]) -> Ack:
        """Say what a character is to do: `{"kind": "search", "target": "cellar"}`."""
        return await self._act({"kind": "propose", "character": character, "action": dict(action)})

    async def withdraw(self, character: str) -> Ack:
        """Take a proposal back; whoever directs takes back what they overruled."""
        return await self._act({"kind": "withdraw", "character": character})

    async def ready(self, character: str, ready: bool = True) -> Ack:
        return await self._act({"kind": "ready", "character": character, "ready": ready})

    async def advise(self, character: str) -> Ack:
        """Ask what one's own character would do; `suggest` waits for the answer too."""
        return await self._act({"kind": "advise", "character": character})

    async def vote(self, character: str) -> Ack:
        return await self._act({"kind": "vote", "character": character})

    async def claim(self, character: str) -> Ack:
        """Take a character's seat."""
        return await self._act({"kind": "claim", "character": character})

    async def release(self, character: str) -> Ack:
        return await self._act({"kind": "release", "character": character})

    async def delegate(self, character: str, kernel: str, granted: bool = True) -> Ack:
        """Let a kernel act for one's character, or end that."""
        data: dict[str, JsonValue] = {"kind": "delegate", "character": character, "kernel": kernel}
        return await self._act({**data, "granted": granted})

    # --- the turn ------

    async def direct(self, kind: Word) -> Ack:
        """A word of the director: start, lock, cancel, pause, resume, accept or reroll."""
        return await self._act({"kind": kind})

    async def overrule(self, character: str, action: Mapping[str, JsonValue] | None, reason: str) -> Ack:
        """Put another action in the place of what is proposed for a character, or none (None: it does nothing
        in this turn). For owners and directors, not for kernels; `reason` (1 to 500 characters, not blank) is
        what everybody reads. `withdraw` takes it back.
        """
        made = None if action is None else dict(action)
        return await self._act({"kind": "overrule", "character": character, "action": made, "reason": reason})

    async def retell(self, node: int | None = None) -> Ack:
        """Tell a turn again in other words (default: the last)."""
        return await self._act({"kind": "retell", "node": node})

    async def undo(self, to: int | None = None) -> Ack:
        """Back to the end of the turn whose node is `to` (0: the opening; default: one turn back)."""
        return await self._act({"kind": "undo", "to": to})

    async def branch(self, name: str, at: int | None = None) -> Ack:
        """Go on from node `at` under a new name; without `at`, back to the branch of that name."""
        return await self._act({"kind": "branch", "name": name, "at": at})

    async def request_lease(self) -> Ack:
        """Become the host of the agents (admitted kernels)."""
        return await self._act({"kind": "request_lease"})

    async def release_lease(self) -> Ack:
        return await self._act({"kind": "release_lease"})

    # --- the session ---

    async def claim_session(self) -> Ack:
        """Become the owner of a session that a kernel made."""
        return await self._system({"kind": "claim_session"})

    async def set_role(self, target: str, role: Role | None) -> Ack:
        """Change somebody's role; None removes them."""
        return await self._system({"kind": "set_role", "target": target, "role": role})

    async def grant_view(self, target: str, sees_all: bool = True) -> Ack:
        return await self._system({"kind": "grant_view", "target": target, "sees_all": sees_all})

    async def admit_host(self, kernel: str, admitted: bool = True) -> Ack:
        """Let a kernel (`kernel:<id>`) run the agents, or end that."""
        return await self._system({"kind": "admit_host", "kernel": kernel, "admitted": admitted})

    async def set_settings(self, **settings: JsonValue) -> Ack:
        """`turn_policy`, `collect_timeout`, `understudy_after`, `review`, `default_role`: what is absent
        stays.
        """
        return await self._system({"kind": "set_settings", **settings})

    async def archive(self, archived: bool = True) -> Ack:
        return await self._system({"kind": "archive" if archived else "unarchive"})

    async def _act(self, data: dict[str, JsonValue]) -> Ack:
        return await self.command("agent_action", data)

    async def _system(self, data: dict[str, JsonValue]) -> Ack:
        return await self.command("system_message", data)
