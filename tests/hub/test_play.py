"""Alice and bob, each with a server of their own, play one story that a kernel of alice's tells.

Law: they are browsers at the service; the kernel found it by itself, with `nj.open` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hub.browser import Browser
from hub.hub import HubProcess
from server.wire import Wire

pytestmark = pytest.mark.process

OPEN = """
import novel_jupyter as nj
story = await nj.open("lighthouse", seed="7", pace=1e6)
"""
SEEN = """(
    story.session_id, story.client.base_url,
    story._repr_mimebundle_()["application/vnd.novel-jupyter.session+json"],
)"""
MOST_TURNS = 60


def turn_of(wire: Wire, session: str) -> dict[str, Any]:
    found: dict[str, Any] = wire.sessions[session].state["turn"]
    return found


async def play(session: str, turn: int, *hands: tuple[Wire, str]) -> None:
    """Everybody proposes and is ready; return when everybody sees that the turn is over."""
    for wire, character in hands:
        action = {"kind": "free", "text": f"{character} looks for a way up"} if turn % 3 else {"kind": "wait"}
        for kind, more in (("propose", {"action": action}), ("ready", {"ready": True})):
            answer = await wire.act(session, kind, character=character, **more)
            assert answer["kind"] == "ack", answer

    def over(wire: Wire) -> Callable[[], bool]:
        return lambda: turn_of(wire, session)["number"] > turn or turn_of(wire, session)["phase"] == "ended"

    for wire, _ in hands:
        await wire.until(over(wire), 60)


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_two_people_on_their_own_servers_play_to_the_end(
    servers: HubProcess, figure: Callable[[str], None]
) -> None:
    async with (
        Browser(servers, "alice") as alice,
        Browser(servers, "bob") as bob,
        alice.kernel() as kernel,
    ):
        await alice.visit()
        await bob.visit()
        session, where, shown = await kernel.run(OPEN, SEEN)
        assert where.endswith(f":{servers.service_ports[0]}/services/novel/")
        assert (shown["session_id"], shown["home"]) == (session, False), "its own server does not keep it"
        async with alice.socket() as hers, bob.socket() as his:
            await hers.join(session)
            await his.join(session)
            # Whose kernel made it, and nobody else, may claim it.
            assert (await his.rule(session, "claim_session"))["code"] == "forbidden"
            assert (await hers.rule(session, "claim_session"))["kind"] == "ack"
            assert (await hers.act(session, "claim", character="mara"))["kind"] == "ack"
            assert (await his.act(session, "claim", character="ines"))["kind"] == "ack"
            assert (await his.act(session, "claim", character="mara"))["code"] == "seat_taken"
            assert (await hers.act(session, "start"))["kind"] in ("ack", "error")
            turn = 1
            while turn_of(hers, session)["phase"] != "ended" and turn <= MOST_TURNS:
                await play(session, turn, (hers, "mara"), (his, "ines"))
                turn += 1
            assert turn_of(hers, session)["phase"] == "ended"
            await his.reach(session, hers.sessions[session].sequence_id)
            for wire in (hers, his):
                assert wire.sessions[session].gaps == []
            events = his.sessions[session].events
            told = [e["data"]["narrative"] for e in events if e["data"]["kind"] == "turn"]
            assert told
            assert {e["user_id"] for e in events if e["data"]["kind"] == "turn"} == {
                f"kernel:alice:{kernel.id}"
            }
            proposed = {
                (e["user_id"], e["data"].get("character")) for e in events if e["data"]["kind"] == "proposed"
            }
            assert proposed == {("alice", "mara"), ("bob", "ines")}
        figure(f"the Hub stood after {servers.started_in:.1f} s; {turn - 1} turns to the end")
        answer = await bob.call("GET", f"novel/api/sessions/{session}/export.md")
        assert answer.status_code == 200
        # Their own servers keep nothing, and say where to look.
        for person in (alice, bob):
            await person.visit(person.home)
            said = await person.call("GET", "novel/api/service", person.home)
            assert said.json() == {"service_urls": ["/services/novel/"]}
            kept = await person.call("GET", "novel/api/sessions", person.home)
            assert (kept.status_code, kept.json()["code"]) == (421, "elsewhere")
            assert "/services/novel/" in kept.json()["message"]
