"""Two replicas of the service over one Redis, which nobody but they can open.

Law: the Hub's configuration is the example's, told by two variables of its environment; a replica that dies
is killed, and the other goes on.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hub.browser import SERVICE, Browser
from hub.hub import HubProcess
from hub.test_play import OPEN, play, turn_of

from novel_jupyter.testing_redis import RedisServer

pytestmark = pytest.mark.process

PASSWORD = secrets.token_hex(16)
REPLICAS = (SERVICE, "services/novel-2/")
TRACES = """
import os, pathlib
found = [name for name, value in os.environ.items() if {password!r} in value or {port!r} in value]
here = pathlib.Path.home()
for path in here.rglob("*"):
    # IPython's history keeps this very cell.
    if ".ipython" not in path.parts and path.is_file() and {password!r}.encode() in path.read_bytes():
        found.append(str(path))
"""
OPEN_REDIS = """
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
tried = []
for password in (None, "guess", ""):
    try:
        redis.Redis(port={port}, password=password, retry=Retry(NoBackoff(), 0)).keys()
        tried.append("in")
    except redis.RedisError as error:
        tried.append(type(error).__name__)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password=PASSWORD) as found:
        yield found


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, store: RedisServer) -> Iterator[HubProcess]:
    found = HubProcess(
        tmp_path_factory.mktemp("hub"),
        {"players": ["alice", "bob"]},
        ["--NovelApp.presence_grace=0.3"],
        {"NOVEL_JUPYTER_STORE": store.url},
        replicas=2,
    )
    with found:
        yield found


@pytest.mark.asyncio
async def test_a_replica_dies_and_the_story_goes_on(
    replicas: HubProcess, store: RedisServer, figure: Callable[[str], None]
) -> None:
    await replicas.start_server("alice")
    async with (
        Browser(replicas, "alice") as alice,
        Browser(replicas, "bob") as bob,
        alice.kernel() as kernel,
    ):
        session, where = await kernel.run(OPEN, "story.handle.session_id, story.client.base_url")
        dying, living = sorted(REPLICAS, key=lambda at: not where.endswith(at))
        for person in (alice, bob):
            for at in REPLICAS:
                assert (await person.visit(at)).status_code == 200
        said = await alice.call("GET", "novel/api/service", alice.home)
        assert said.json() == {"service_urls": [f"/{at}" for at in REPLICAS]}

        async with alice.socket(living) as hers:
            await hers.join(session)
            assert (await hers.rule(session, "claim_session"))["kind"] == "ack"
            assert (await hers.act(session, "claim", character="mara"))["kind"] == "ack"
            async with bob.socket(dying) as his:
                await his.join(session)
                assert (await his.act(session, "claim", character="ines"))["kind"] == "ack"
                await play(session, 1, (hers, "mara"), (his, "ines"))
                async with replicas.admin() as admin:
                    services: dict[str, Any] = (await admin.get("services")).json()
                died = time.monotonic()
                os.kill(services[dying.split("/")[1]]["pid"], signal.SIGKILL)
                await his.closed()
            async with bob.socket(living, "bob2") as his:
                await his.join(session)
                await play(session, 2, (hers, "mara"), (his, "ines"))
                assert turn_of(his, session)["number"] == 3
                figure(f"the next turn was over {time.monotonic() - died:.1f} s after a replica was killed")
        assert (await kernel.run("", "story.client.base_url")).endswith(living)

        # What alice can reach has no trace of the Redis, and from there it opens to nobody.
        traces = TRACES.format(password=PASSWORD, port=str(store.port))
        assert await kernel.run(traces, "found") == []
        tried = await kernel.run(OPEN_REDIS.format(port=store.port), "tried")
        assert "in" not in tried
        assert len(tried) == 3
    assert PASSWORD not in replicas.log
