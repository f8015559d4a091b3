"""A story as a file: the branch that stands, as it was last told, in the reader's view, and no script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener

from novel_jupyter.core.views import rules_of
from novel_jupyter.server.exports import EXPORTS
from novel_jupyter.server.session import Session

MADE_BY: dict[str, Any] = {"engine": "test", "model": None, "fallback": False, "agents": {}}


class Table:
    """A session with its owner and a kernel that hosts it."""

    def __init__(self, inside: Inside, session: Session) -> None:
        self.inside, self.session = inside, session
        self.alice = Listener(inside, "alice")
        self.host = Listener(inside, "kernel:k1")
        self.token = 0

    @classmethod
    async def lay(cls, inside: Inside) -> Table:
        table = cls(inside, await inside.session("alice"))
        await table.alice.join(table.session)
        await table.host.join(table.session)
        await table.rule(table.alice, "system_message", kind="admit_host", kernel="kernel:k1")
        reply = await table.rule(table.host, "agent_action", kind="request_lease")
        table.token = int(reply["sequence_id"])
        return table

    async def rule(self, who: Listener, type: str, **data: Any) -> dict[str, Any]:
        reply = await who.ask(self.session, type, data)
        assert reply.data["kind"] == "ack", reply
        return {"sequence_id": reply.sequence_id, **reply.data}

    def turn(self) -> Any:
        return rules_of(self.session.live.room.state)["turn"]

    def result(self, **change: Any) -> dict[str, Any]:
        turn = self.turn()
        return {
            "kind": "turn_result",
            "turn": turn["number"],
            "attempt": turn["attempt"],
            "token": self.token,
            "base": turn["locked"]["base"],
            "outcomes": [],
            "changes": [],
            "turn_complete": True,
            "made_by": MADE_BY,
            **change,
        }

    async def lock(self) -> None:
        await self.rule(self.alice, "agent_action", kind="propose", character="mara", action={"kind": "wait"})
        await self.rule(self.alice, "agent_action", kind="lock")

    async def play(self, prose: str) -> None:
        """One turn, told as `prose`."""
        await self.lock()
        told = {key: self.turn()[key] for key in ("attempt",)} | {
            "turn": self.turn()["number"],
            "token": self.token,
        }
        await self.rule(self.host, "agent_action", **self.result())
        sentences = [{"text": prose, "events": []}]
        await self.rule(
            self.host,
            "agent_action",
            kind="narrative",
            text=prose,
            sentences=sentences,
            made_by=MADE_BY,
            **told,
        )

    async def export(self, form: str, view: str = "public") -> str:
        _, render = EXPORTS[form]
        return (await render(self.inside.hub.store, self.session, view)).decode()


@pytest.mark.asyncio
async def test_a_file_tells_the_branch_that_stands(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        table = await Table.lay(inside)
        await table.play("It rained.")
        await table.play("Nobody came & <script>alert(1)</script>\n\nThen </p> somebody did.")
        text = await table.export("md")
        assert text.index("It rained.") < text.index("Nobody came")
        assert text.startswith("# The Keeper’s Log\n\n## 1\n\nIt rained.\n\n## 2\n\n")
        page = await table.export("html")
        assert "<script" not in page
        assert "<p>Nobody came &amp; &lt;script&gt;alert(1)&lt;/script&gt;</p>" in page
        assert "<p>Then &lt;/p&gt; somebody did.</p>" in page
        assert page.count("<p>") == 3
        # What was undone is told no more, and what took its place is.
        await table.rule(table.alice, "agent_action", kind="undo")
        assert "Nobody came" not in await table.export("md")
        await table.play("It snowed instead.")
        assert "It snowed instead." in await table.export("html")
        log = json.loads(await table.export("json"))
        assert [event["sequence_id"] for event in log["events"]] == list(
            range(1, table.session.live.head.sequence_id + 1)
        )
        # The log keeps everything; what is sealed it shows to nobody.
        assert "Nobody came" in json.dumps(log)
        everything = json.loads(await table.export("json", "all"))
        sealed = {e["sequence_id"] for e in everything["events"] if e["data"]["kind"] == "hidden"}
        hidden = {e["sequence_id"] for e in log["events"] if e["data"]["kind"] == "hidden"}
        assert sealed
        assert sealed < hidden
