"""The socket itself: its first frame, its life signs, its end, and numbers that are no JSON (R88, R89).

What it refuses otherwise stands in `test_bad_input`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orjson import JSONDecodeError, loads
from pydantic_core import from_json
from server.test_slow_client import Deaf
from server.wire import connect, create

from novel_jupyter import __version__
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.limits import Bounds
from novel_jupyter.server.socket import check_numbers
from novel_jupyter.testing import ServerProcess


@pytest.mark.parametrize(
    "text",
    [
        "[NaN]",
        '{"cost":Infinity}',
        '{"cost":-Infinity}',
        '{"deep":[{"a":1e999}]}',
        "[-1e400]",
        "[1" + "0" * 400 + "]",
    ],
)
def test_numbers_that_are_no_json_get_in_nowhere(text: str) -> None:
    """Not even in what a host says of its costs: the log is JSON for every reader."""
    with pytest.raises(Refused) as refused:
        check_numbers(text)
    assert refused.value.code == "bad_json"


_NUMBERS = ["NaN", "Infinity", "null", "1e999", "9" * 17, "9" * 400]
_PARTS = [*"{}[],:-+.eE0019 ", '"', "a", "\\ud800", "\\u00e9", *_NUMBERS]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(_PARTS), max_size=8).map("".join))
def test_what_only_the_parser_of_messages_takes_is_refused(inside: str) -> None:
    for text in (inside, f"[{inside}]", f'{{"a":{inside}}}'):
        try:
            from_json(text)
        except ValueError:
            continue  # no message comes of it
        try:
            loads(text)
        except JSONDecodeError:
            with pytest.raises(Refused):
                check_numbers(text)
        else:
            check_numbers(text)


@pytest.mark.parametrize("text", ['["NaN", "1e999"]', "[1e308, -0.0, 9007199254740993]", "{}"])
def test_every_other_number_is_left_alone(text: str) -> None:
    check_numbers(text)


@pytest.mark.process
@pytest.mark.asyncio
async def test_the_first_frame_says_who_one_is_and_what_is_too_much(server: ServerProcess) -> None:
    async with connect(server, "alice") as alice, connect(server, "alice", "c2") as again:
        (welcome,) = alice.seen(lambda m: m["data"]["kind"] == "welcome")
        data = welcome["data"]
        assert welcome["type"] == "system_message"
        assert data["user"] == {"user_id": "alice", "name": "Alice", "kind": "person"}
        assert (data["protocol"], data["version"]) == ("novel.v1.json", __version__)
        assert data["limits"] == Bounds().as_json()
        assert data["heartbeat"] > 0
        (other,) = again.seen(lambda m: m["data"]["kind"] == "welcome")
        assert other["data"]["connection_id"] != data["connection_id"]
        await alice.alive()


@pytest.fixture(scope="module")
def nervous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    traits = {"NovelApp.ping_interval": 0.1, "NovelApp.pong_timeout": 0.6, "NovelApp.presence_grace": 0}
    with ServerProcess(tmp_path_factory.mktemp("nervous"), ("alice", "bob"), traits) as found:
        yield found


@pytest.mark.process
@pytest.mark.asyncio
async def test_who_gives_no_sign_of_life_is_closed_and_who_answers_pings_is_not(
    nervous: ServerProcess,
) -> None:
    session = await create(nervous)
    async with connect(nervous, "alice") as alice:
        await alice.join(session)
        deaf = Deaf(nervous, "bob")
        deaf.send(deaf.say("join_session", session, {}))
        await alice.expect(lambda m: m["type"] == "join_session")
        end = bytes((0x88, 9)) + (4005).to_bytes(2, "big") + b"no pong"
        await asyncio.to_thread(deaf.drain, end)
        deaf.close()
        await alice.expect(lambda m: m["type"] == "leave_session" and m["user_id"] == "bob")
        # Alice said nothing all the while, but her side answered the pings.
        assert alice.code is None
        await alice.alive()
