"""What a player may choose from: legal, worded once, in one order, and of the player's own knowledge."""

from __future__ import annotations

from typing import Any

from novel_jupyter.core.views import project_state
from novel_jupyter.story.actions import dump_action
from novel_jupyter.story.dice import Dice
from novel_jupyter.story.loader import load_bundled
from novel_jupyter.story.offers import MOST, offers, offers_from_outside
from novel_jupyter.story.perceive import persona_view
from novel_jupyter.story.world import State, initial_state

START: State = initial_state(load_bundled("lighthouse"))


def test_offers_are_what_the_persona_would_choose_from() -> None:
    state = START
    for who in ("mara", "tomas", "ines", "corwin"):
        seen: Any = project_state(state, f"seats:{who}")
        mine = [dump_action(offer.action) for offer in offers(seen, who)]
        theirs = [dump_action(a) for a in persona_view(seen, who, Dice("x", "main", 1, 1), None).options]
        assert all(action in theirs for action in mine)
        words = [offer.words for offer in offers(seen, who)]
        assert 0 < len(words) <= MOST
        assert len(set(words)) == len(words)
        assert [(o.action.kind, o.words) for o in offers(seen, who)] == sorted(
            (o.action.kind, o.words) for o in offers(seen, who)
        )


def test_nothing_of_another_seat_is_needed_or_named() -> None:
    state = START
    seen: Any = project_state(state, "seats:mara")
    others: Any = [state[f"seat:{who}"] for who in ("tomas", "ines", "corwin")]
    secrets = [text for seat in others for text in seat["secrets"].values()]
    assert secrets
    said = " ".join(offer.words for offer in offers(seen, "mara"))
    assert not any(secret in said for secret in secrets)


def test_who_does_not_act_is_offered_nothing() -> None:
    state: Any = START
    people = state["characters"]
    dead = {**state, "characters": {**people, "mara": {**people["mara"], "status": "dead"}}}
    assert offers(dead, "mara") == []
    assert offers(state, "nobody") == []


def test_from_outside_nothing_is_offered_that_only_the_player_knows() -> None:
    state: Any = START
    public: Any = project_state(state, "public")
    inside = {offer.words for offer in offers(project_state(state, "seats:mara"), "mara")}
    outside = offers_from_outside(public, "mara")
    assert {offer.action.kind for offer in outside} >= {"move", "search", "wait"}
    assert {offer.words for offer in outside} < inside
    seat: Any = state["seat:mara"]
    beliefs = {str(belief["text"]) for belief in seat["beliefs"].values()}
    assert beliefs
    assert not any(text.rstrip(".") in offer.words for text in beliefs for offer in outside)


def test_who_is_hidden_is_offered_nothing_from_outside() -> None:
    public: Any = project_state(START, "public")
    people = public["characters"]
    hidden = {**public, "characters": {**people, "mara": {**people["mara"], "location": None}}}
    assert offers_from_outside(hidden, "mara") == []
