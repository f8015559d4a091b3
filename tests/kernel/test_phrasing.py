"""Actions in a few words.

Law: names become ids, verbs become actions, and what does not fit says what would.
Parts: what is understood, what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from novel_jupyter.kernel.phrasing import MODELS, action_of
from novel_jupyter.story.actions import KINDS

STATE: dict[str, Any] = {
    "characters": {"mara": {"name": "Mara"}, "tomas": {"name": "Tomas"}},
    "locations": {"watch_room": {"name": "watch room"}, "cellar": {"name": "cellar"}},
    "items": {"letter": {"name": "letter"}, "gutting_knife": {"name": "gutting knife"}},
    "facts": {"wreck": {"text": "It was no accident."}},
}


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("search cellar", {"kind": "search", "target": "cellar"}),
        ("search", {"kind": "search"}),
        ("move to the watch room", {"kind": "move", "target": "watch_room"}),
        ("Take the Gutting Knife.", {"kind": "take", "item": "gutting_knife"}),
        ("give letter to tomas", {"kind": "give", "item": "letter", "target": "tomas"}),
        ("give Tomas the letter", {"kind": "give", "item": "letter", "target": "tomas"}),
        ("ask Tomas about the letter", {"kind": "ask", "target": "tomas", "about": "letter"}),
        ('ask tomas "Where were you?"', {"kind": "ask", "target": "tomas", "text": "Where were you?"}),
        ("tell tomas wreck quietly", {"kind": "tell", "target": "tomas", "fact": "wreck", "quietly": True}),
        ("use gutting_knife", {"kind": "use", "item": "gutting_knife"}),
        ("take strange_coin", {"kind": "take", "item": "strange_coin"}),
        ("hide", {"kind": "hide"}),
        ("Mara hums to herself", {"kind": "free", "text": "Mara hums to herself"}),
        ("free she laughs", {"kind": "free", "text": "she laughs"}),
        (
            "kind: ask\ntarget: tomas\ntext: 'Where: here?'",
            {"kind": "ask", "target": "tomas", "text": "Where: here?"},
        ),
        (
            "kind: tell\ntarget: tomas\nquietly: true\ntext: psst",
            {"kind": "tell", "target": "tomas", "quietly": True, "text": "psst"},
        ),
        ("Look: a light", {"kind": "free", "text": "Look: a light"}),
        ({"kind": "wait"}, {"kind": "wait"}),
    ],
)
def test_words_become_actions(said: str | dict[str, Any], action: dict[str, Any]) -> None:
    found = {k: v for k, v in action_of(said, STATE).items() if v is not False}
    assert found == action


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "say what to do: move"),
        ("give letter", "give takes target, item"),
        ("hide tomas", "'hide' does not know what to do with 'tomas'"),
        ({"kind": "dance"}, "no action is called 'dance'; there are move"),
        ({"kind": "move", "target": "x", "how": "fast"}, "move takes target; how"),
        ("kind: 7", "no action is called '7'"),
    ],
)
def test_what_does_not_fit_says_what_would(said: str | dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        action_of(said, STATE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_verb(kind: str) -> None:
    needs = [name for name, field in MODELS[kind].model_fields.items() if field.is_required()]
    if needs:
        with pytest.raises(ValueError, match=f"^{kind} takes "):
            action_of(kind, {})
    else:
        assert action_of(kind, {})["kind"] == kind
