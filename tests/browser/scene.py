"""A session with something of everything on its screens, made by people's own commands.

Parts: `set_scene` (talk, a comment, a conflict, branches, long and right-to-left names), `in_thread`,
`in_turn`, `is_hosted`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx

from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.testing import ServerProcess

LONG = "Maximiliane-Friederike von und zu Hohenstein-Oberwiesenthal"
RIGHT_TO_LEFT = "נועה בת־חן אברהם"


T = TypeVar("T")


def in_turn(number: int) -> Callable[[Any], bool]:
    return lambda state: bool(state["turn"]["number"] == number)


def is_hosted(state: Any) -> bool:
    return bool(state["host"]["holder"])


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; this thread's loop belongs to Playwright."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]


async def _played(server: ServerProcess, story: str) -> str:
    ada_login, ben_login = (PersonLogin(server.url, server.token_of(name)) for name in ("ada", "ben"))
    async with Client(ada_login) as first, Client(ben_login) as second:
        session_id = str((await first.create_session(story, seed="7"))["session_id"])
        ada, ben = await first.join(session_id), await second.join(session_id)
        login = {"Authorization": f"token {server.token_of('ada')}"}
        async with httpx.AsyncClient(base_url=server.url, headers=login, trust_env=False) as http:
            (await http.post(f"novel/api/sessions/{session_id}/host", json={})).raise_for_status()
        await ada.wait_for(is_hosted, 60)
        begun: Any = ada.state
        seats = [seat for seat, one in begun["seats"].items() if one["playable"]]
        await ben.claim(seats[0])
        await _play(ada, ben, seats[0], 1)
        forked: Any = ada.state
        fork = forked["turn"]["parent"]
        await _play(ada, ben, seats[0], 2)
        await _play(ada, ben, seats[0], 3)
        await ada.branch("what-if", fork)
        await _play(ada, ben, seats[0], 2)
        await ada.branch("main")
        await _talk(ada, ben)
        return session_id


async def _play(ada: Any, ben: Any, seat: str, turn: int) -> None:
    """Ben's character does something in this turn, and it is told."""
    await ben.wait_for(in_turn(turn), 30)
    await ben.propose(seat, {"kind": "free", "text": "I look at everybody in turn"})
    await ben.ready(seat)
    for one in (ada, ben):
        await one.wait_for(in_turn(turn + 1), 60)


async def _talk(ada: Any, ben: Any) -> None:
    await ada.chat("Shall we go down to the cellar before the storm is here?")
    await ben.chat("<img src=x onerror=alert(1)> is what the letter says, word for word")
    await ada.chat("מה כתוב במכתב? and then again in English, so that both directions meet in one line")
    node = ada.state["turn"]["parent"]
    passage = {"target": f"/chronicle/{node}/narrative", "position": 0, "selection": [0, 20]}
    await ben.chat("I like this sentence", passage)
    base = ada.sequence_id
    await ben.wait_for(lambda _: ben.sequence_id >= base, 30)
    await ada.edit([{"op": "replace", "path": "/scene/mood", "value": "calm as the grave"}], base)
    await ben.edit([{"op": "replace", "path": "/scene/mood", "value": "wild"}], base)
    await ada.edit([{"op": "add", "path": "/notes/scene", "value": "Who has the key?\n\nThe lamp smokes."}])


def _guest(server: ServerProcess, session_id: str, name: str) -> None:
    """Somebody who was here by an invite and has left."""
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        login = {"Authorization": f"token {server.token_of('ada')}"}
        terms = {"role": "spectator", "uses": 1, "seconds": 3600}
        made = http.post(f"novel/api/sessions/{session_id}/invites", json=terms, headers=login)
        token = made.raise_for_status().json()["path"].rpartition("=")[2]
        http.get(f"novel/s/{session_id}").raise_for_status()  # with the page comes the token against forgery
        proof = {"X-XSRFToken": http.cookies["_xsrf"]}
        http.post("novel/api/guests", json={"token": token, "name": name}, headers=proof).raise_for_status()


def set_scene(server: ServerProcess, story: str = "lighthouse") -> str:
    """The id of the session: Ada owns it, Ben plays the first character, guests were here, a kernel hosts."""
    session_id = in_thread(_played(server, story))
    for name in (LONG, RIGHT_TO_LEFT):
        _guest(server, session_id, name)
    return session_id
