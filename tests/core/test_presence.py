"""Presence: arrivals and leavings once each, cursors that coalesce and expire, agents at work."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from novel_jupyter.core.patch import JsonValue
from novel_jupyter.core.presence import MAX_AGENTS, MAX_UNSHOWN, Presence

USERS = ("ann", "ben", "cy")
GRACE = 5.0


class PresenceMachine(RuleBasedStateMachine):
    """An observer who only hears of arrivals, leavings and cursors, beside the truth about connections."""

    def __init__(self) -> None:
        super().__init__()
        self.presence = Presence(grace=GRACE, cursor_ttl=20.0, typing_ttl=3.0)
        self.now = 0.0
        self.open: dict[str, str] = {}
        self.gone_at: dict[str, float] = {}
        self.heard: set[str] = set()
        self.seen: dict[str, object] = {}
        self.cursors: dict[str, tuple[int, float]] = {}

    @rule(step=st.floats(0, 8))
    def pass_time(self, step: float) -> None:
        self.now += step

    @rule(user=st.sampled_from(USERS), n=st.integers(1, 3))
    def connect(self, user: str, n: int) -> None:
        arrived = self.presence.connect(user, f"{user}{n}", self.now)
        assert arrived == (user not in self.heard), "an arrival is news"
        self.heard.add(user)
        self.open[f"{user}{n}"] = user
        self.gone_at.pop(user, None)

    @rule(user=st.sampled_from(USERS), n=st.integers(1, 3), at_once=st.booleans())
    def disconnect(self, user: str, n: int, at_once: bool) -> None:
        connection = f"{user}{n}"
        self.presence.disconnect(connection, self.now, at_once=at_once)
        self.cursors.pop(connection, None)
        if self.open.pop(connection, None) and user not in self.open.values():
            self.gone_at[user] = self.now if at_once else self.now + GRACE

    @rule()
    def expire(self) -> None:
        left = self.presence.expire(self.now)
        assert len(left) == len(set(left))
        assert set(left) == {user for user, due in self.gone_at.items() if due <= self.now}
        for user in left:
            del self.gone_at[user]
            self.heard.remove(user)

    @rule(user=st.sampled_from(USERS), n=st.integers(1, 3), position=st.integers(0, 99))
    def cursor(self, user: str, n: int, position: int) -> None:
        connection = f"{user}{n}"
        forged: dict[str, JsonValue] = {"target": "/scene", "position": position}
        forged |= {"user_id": "eve", "connection_id": "x"}
        self.presence.cursor(connection, forged, self.now)
        if connection in self.open:
            self.cursors[connection] = (position, self.now)

    @rule()
    def tick(self) -> None:
        due = self.presence.cursors_due(self.now)
        changed = self.presence.cursors_tick(self.now)
        assert due == bool(changed)
        assert len({entry["connection_id"] for entry in changed}) == len(changed), "coalesced"
        for entry in changed:
            assert str(entry["connection_id"]).startswith(str(entry["user_id"])), "as the server knows them"
            if entry["target"] is None:
                self.seen.pop(str(entry["connection_id"]), None)
            else:
                self.seen[str(entry["connection_id"])] = entry["position"]
        self.cursors = {key: value for key, value in self.cursors.items() if value[1] + 20.0 > self.now}
        assert self.seen == {key: position for key, (position, _) in self.cursors.items()}
        assert self.presence.cursors_tick(self.now) == []
        assert not self.presence.cursors_due(self.now)

    @invariant()
    def agrees(self) -> None:
        assert set(self.presence.users()) == self.heard == set(self.open.values()) | set(self.gone_at)
        for user in USERS:
            assert self.presence.connections(user) == list(self.open.values()).count(user)
        dues = [*self.gone_at.values(), *(at + 20.0 for _, at in self.cursors.values())]
        next_due = self.presence.next_due()
        assert (next_due is None) <= (not dues)
        if dues:
            assert next_due is not None
            assert next_due <= min(dues)


TestPresence = PresenceMachine.TestCase


def test_a_reload_within_the_grace_period_is_no_news() -> None:
    presence = Presence(grace=5.0)
    assert presence.connect("ann", "1", 0.0)
    presence.disconnect("1", 1.0)
    assert presence.expire(5.9) == []
    assert presence.users() == ["ann"]
    assert not presence.connect("ann", "2", 5.9)
    assert presence.expire(100.0) == []
    presence.disconnect("2", 100.0)
    assert presence.next_due() == 105.0
    assert presence.expire(105.0) == ["ann"]
    assert presence.expire(200.0) == []
    assert presence.connect("ann", "3", 201.0)


def test_leaving_on_purpose_needs_no_grace_but_every_connection() -> None:
    presence = Presence(grace=5.0)
    presence.connect("ann", "1", 0.0)
    presence.connect("ann", "2", 0.0)
    presence.disconnect("1", 1.0, at_once=True)
    assert presence.expire(1.0) == []
    presence.disconnect("2", 2.0, at_once=True)
    assert presence.expire(2.0) == ["ann"]


def test_they_leave_in_the_order_of_their_leaving() -> None:
    presence = Presence(grace=5.0)
    for user in ("ann", "ben", "cy"):
        presence.connect(user, user, 0.0)
    presence.disconnect("cy", 1.0)
    presence.disconnect("ann", 2.0)
    presence.disconnect("ben", 3.0, at_once=True)
    assert presence.expire(9.0) == ["ben", "cy", "ann"]


def test_a_connection_is_one_users() -> None:
    presence = Presence()
    presence.connect("ann", "1", 0.0)
    assert not presence.connect("ann", "1", 0.0)
    with pytest.raises(ValueError):
        presence.connect("ben", "1", 0.0)
    presence.disconnect("unknown", 0.0)
    presence.cursor("unknown", {"target": "/a"}, 0.0)
    assert presence.cursors_tick(0.0) == []


def test_typing_ends_sooner_than_the_cursor() -> None:
    presence = Presence(cursor_ttl=60.0, typing_ttl=4.0)
    presence.connect("ann", "1", 0.0)
    presence.cursor("1", {"target": "/notes", "position": 1, "typing": True}, 0.0)
    presence.cursor("1", {"target": "/notes", "position": 2, "typing": True}, 0.0)
    shown = {"target": "/notes", "position": 2, "typing": True, "user_id": "ann", "connection_id": "1"}
    assert presence.cursors_tick(0.05) == [shown]
    assert presence.cursors_tick(3.9) == []
    assert presence.next_due() == 4.0
    assert presence.cursors_due(4.0)
    assert presence.cursors_tick(4.0) == [{**shown, "typing": False}]
    assert presence.cursors() == [{**shown, "typing": False}]
    gone = {"target": None, "user_id": "ann", "connection_id": "1"}
    assert presence.cursors_tick(60.0) == [gone]
    assert presence.cursors() == []


def test_the_cursor_goes_with_its_connection() -> None:
    presence = Presence()
    presence.connect("ann", "1", 0.0)
    presence.cursor("1", {"target": "/notes"}, 0.0)
    assert presence.forget_cursor("1")
    assert not presence.forget_cursor("1")
    presence.disconnect("1", 0.0)
    assert presence.cursors_tick(0.0) == [{"target": None, "user_id": "ann", "connection_id": "1"}]


def test_agents_at_work() -> None:
    presence = Presence(progress_ttl=10.0)
    presence.progress("Mira", "decides", 0.0)
    presence.progress("Teller", "writes", 1.0)
    presence.progress("Mira", "speaks", 2.0)
    assert presence.doing(2.0) == {"Teller": "writes", "Mira": "speaks"}
    presence.progress("Teller", "", 3.0)
    assert presence.next_due() == 12.0
    assert presence.doing(12.0) == {}
    assert presence.next_due() is None


def test_nothing_piles_up() -> None:
    presence = Presence()
    for n in range(MAX_UNSHOWN + 100):
        presence.connect("ann", str(n), 0.0)
        presence.cursor(str(n), {"target": "/a"}, 0.0)
        presence.disconnect(str(n), 0.0)
        presence.progress(f"agent {n}", "works", 0.0)
    assert len(presence.cursors_tick(0.0)) == MAX_UNSHOWN
    assert len(presence.doing(0.0)) == MAX_AGENTS
    with pytest.raises(ValueError):
        Presence(grace=-1.0)
