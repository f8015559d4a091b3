"""One table says who may send what (SPEC R6)."""

from __future__ import annotations

import pytest
from core.rules import ALICE, BOB, DAN, EVE, K1, K2, MALLORY, SEARCH, Table, everybody

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.model import ROLES
from novel_jupyter.core.policy import MAY, SERVER, Principal, reason_not, require, standing_of
from novel_jupyter.core.room import HANDLERS

PEOPLE = {
    "owner": ALICE,
    "player": BOB,
    "director": DAN,
    "spectator": EVE,
    "host": K1,
    "kernel": K2,
    "stranger": MALLORY,
}
EVERYBODY = {"owner", "director", "player", "spectator", "kernel", "host"}
KERNELS = {"kernel", "host"}
DIRECTORS = {"owner", "director", "host"}
OWNER = {"owner"}
PLAYERS = {"owner", "director", "player"}
EXPECTED: dict[str, set[str]] = {
    **dict.fromkeys(("chat", "ping", "token", "user_cursor"), EVERYBODY),
    **dict.fromkeys(("claim", "release", "vote", "delegate", "advise"), PLAYERS),
    **dict.fromkeys(("propose", "withdraw", "ready", "edit", "restore_edit"), PLAYERS | KERNELS),
    "settle": PLAYERS,
    **dict.fromkeys(("start", "lock", "cancel", "pause", "resume", "accept"), DIRECTORS),
    **dict.fromkeys(("reroll", "retell", "undo", "branch", "set_settings"), DIRECTORS),
    "admit_host": {"owner", "director"},
    "overrule": {"owner", "director"},
    **dict.fromkeys(("set_role", "grant_view", "archive", "unarchive"), OWNER),
    **dict.fromkeys(("invite", "revoke_invite", "rename"), OWNER),
    "admit_guest": set(),
    "claim_session": {"player", "director", "spectator"},
    **dict.fromkeys(("request_lease", "release_lease", "turn_result", "turn_failed"), KERNELS),
    **dict.fromkeys(("narrative", "narration_failed", "narration", "progress", "asked", "advice"), KERNELS),
}
HOSTS = ("turn_result", "turn_failed", "narrative", "narration_failed", "asked", "advice")
"""Their data is the host's: see the tests of telling."""
DATA: dict[str, dict[str, object]] = {
    "chat": {"text": "hello"},
    **{kind: {"character": "mara"} for kind in ("claim", "release", "vote", "withdraw", "ready", "advise")},
    "delegate": {"character": "mara", "kernel": K1.user_id},
    "propose": {"character": "mara", "action": SEARCH},
    "overrule": {"character": "mara", "action": None, "reason": "not here"},
    "edit": {"base": 0, "patch": [{"op": "add", "path": "/notes/x", "value": 1}]},
    "settle": {"record": "/conflicts/1-0", "take": True},
    "restore_edit": {"sequence_id": 1},
    "branch": {"name": "other", "at": 0},
    "admit_host": {"kernel": K2.user_id},
    "set_role": {"target": "bob", "role": "player"},
    "grant_view": {"target": "bob", "sees_all": False},
    "set_settings": {"review": True},
    "invite": {"role": "player"},
    "revoke_invite": {"invite": 1},
    "admit_guest": {"invite": 1, "guest": "guest:" + "0" * 32, "name": "Zoe"},
    "rename": {"target": "guest:nobody", "name": "Robert"},
}


@pytest.fixture(scope="module")
def table() -> Table:
    return everybody()


def test_the_table_is_the_one_that_is_meant() -> None:
    """R6"""
    assert {kind: set(standings) for kind, standings in MAY.items()} == EXPECTED
    assert set(HANDLERS) <= set(MAY), "what can change the log has a right of its own"


@pytest.mark.parametrize("standing", PEOPLE)
@pytest.mark.parametrize("kind", EXPECTED)
def test_each_kind_for_each_standing(table: Table, kind: str, standing: str) -> None:
    """R6"""
    who = PEOPLE[standing]
    assert standing_of(table.state, who) == standing
    if standing in EXPECTED[kind]:
        assert require(table.state, who, kind) == standing
    else:
        with pytest.raises(Refused) as refused:
            require(table.state, who, kind)
        assert refused.value.code == "forbidden"


@pytest.mark.parametrize("standing", [standing for standing in PEOPLE if standing != "stranger"])
@pytest.mark.parametrize("kind", [kind for kind in HANDLERS if kind not in HOSTS])
def test_a_command_of_the_wrong_standing_is_forbidden_and_no_other_is(kind: str, standing: str) -> None:
    """R6: the table is looked up for every command, before anything else about it."""
    table = everybody()
    reply = table.send(PEOPLE[standing], kind, **DATA.get(kind, {}))  # type: ignore[arg-type]
    is_forbidden = reply.data.get("code") == "forbidden"
    if standing not in EXPECTED[kind]:
        assert is_forbidden
        assert "takes" in str(reply.data["message"])
    elif kind != "claim_session":
        assert not is_forbidden


def test_a_role_is_looked_up_at_the_moment_of_deciding() -> None:
    """R6, R9"""
    table = everybody()
    table.ok(DAN, "start")
    table.ok(ALICE, "set_role", target="dan", role="spectator")
    table.no("forbidden", DAN, "lock")
    table.ok(ALICE, "admit_host", kernel=K1.user_id, admitted=False)
    table.no("forbidden", K1, "lock")


def test_reasons_name_who_may() -> None:
    """R6: a UI can grey out with the same words."""
    assert reason_not("player", "lock") == "a player may not lock; it takes owner or director or host"
    assert reason_not("owner", "lock") is None
    assert reason_not("server", "anything") is None
    assert reason_not("owner", "no_such_thing") is not None


def test_a_person_with_a_kernels_name_is_no_kernel() -> None:
    """R6: standing goes by the verified kind of the principal."""
    table = everybody()
    forged = Principal(K1.user_id, "not a kernel")
    assert standing_of(table.state, forged) == "stranger"
    assert standing_of(table.state, SERVER) == "server"
    assert set(ROLES) < EVERYBODY
