"""Actions in a few words: "search cellar", "ask Tomas about the letter", "give letter to ines".

Law: words become the wire object of an action or an error that says what would; nothing is guessed beyond
names.
Parts: `action_of` (words, lines of `field: value` or a mapping → a checked action), `phrase_of` (back again),
`must_be_free`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, get_args

from pydantic import BaseModel, JsonValue, ValidationError

from novel_jupyter.core.model import State
from novel_jupyter.core.views import project_state
from novel_jupyter.story.actions import KINDS, Action, dump_action, parse_action
from novel_jupyter.story.interpret import interpret

FILLERS: Final = frozenset("a an the to at in on for from about with of by towards into".split())
QUOTED: Final = re.compile(r"[\"“](.*?)[\"”]\s*$", re.DOTALL)
LINE: Final = re.compile(r"(\w+): *(.*)")
MODELS: Final[Mapping[str, type[BaseModel]]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(Action)
}
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "target": ("characters", "locations"),
    "item": ("items",),
    "fact": ("facts",),
    "about": ("items", "facts", "characters", "locations"),
}
"""Field of an action → the partitions whose ids belong there."""


def action_of(said: str | Mapping[str, JsonValue], state: State) -> dict[str, JsonValue]:
    """The wire object of an action. `said`: the object itself, its fields line by line, or words like "take
    the lamp".

    What begins with no known verb is free text. Raises ValueError, saying what the verb needs.
    """
    if isinstance(said, str) and not said.strip():
        raise ValueError(f"say what to do: {', '.join(KINDS)}, or anything in words")
    if isinstance(said, str):
        raw = _from_lines(said) or _from_words(said.strip(), state)
    else:
        raw = dict(said)
    try:
        return dump_action(parse_action(raw))
    except ValidationError as error:
        raise ValueError(_explain(raw, error)) from None


def phrase_of(action: Mapping[str, JsonValue]) -> str:
    """A wire object as words, "ask tomas about letter"; `action_of` reads them where words can say it."""
    said = [str(action["kind"])]
    for field, value in action.items():
        if field in PLACES:
            said += ["about"] * (field == "about") + [str(value)]
    if action.get("quietly"):
        said.append("quietly")
    if "text" in action:
        said.append(f'"{action["text"]}"')
    return " ".join(said)


def must_be_free(state: State, character: str, text: str) -> None:
    """Raises ValueError where words in which no verb of ours stands may all the same mean an action, or one
    that is not possible now. Read from what the character's player sees.
    """
    if f"seat:{character}" not in state:
        return  # who does not see the seat cannot tell
    reading = interpret(project_state(state, f"seats:{character}"), character, text)
    as_it_stands = "`free` before the words has them told as they stand"
    if reading.candidates:
        found = "; ".join(f"{c.phrase}: {dump_action(c.action)}" for c in reading.candidates[:3])
        raise ValueError(f"did you mean one of these? {found}. {as_it_stands}")
    if reading.instead:
        raise ValueError(f"that cannot be done: {reading.instead} {as_it_stands}")


def _from_lines(text: str) -> dict[str, JsonValue] | None:
    """The object, if the text is lines of `field: value` (as YAML has them) with a kind among them."""
    found: dict[str, JsonValue] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = LINE.fullmatch(line)
        if match is None:
            return None
        value = match[2]
        if value[:1] in ('"', "'") and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        found[match[1]] = {"true": True, "false": False, "null": None}.get(value, value)
    return found if "kind" in found else None


def _from_words(text: str, state: State) -> dict[str, JsonValue]:
    verb = text.split(maxsplit=1)[0].lower()
    model = MODELS.get(verb)
    if model is None or verb == "free":
        return {"kind": "free", "text": text if model is None else text[len(verb) :].strip()}
    action: dict[str, JsonValue] = {"kind": verb}
    rest = text[len(verb) :]
    quoted = QUOTED.search(rest)
    if quoted and "text" in model.model_fields:
        action["text"], rest = quoted[1], rest[: quoted.start()]
    open_fields = [name for name in model.model_fields if name in PLACES]
    for word in _with_ids(rest, state).split():
        plain = word.strip(".,;:!?").lower()
        if plain in ("quietly", "silently") and "quietly" in model.model_fields:
            action["quietly"] = True
        elif plain and plain not in FILLERS:
            fitting = [name for name in open_fields if _is_known(plain, PLACES[name], state)]
            name = next(iter(fitting or open_fields), None)
            if name is None:
                raise ValueError(f"{verb!r} does not know what to do with {plain!r}")
            action[name] = plain
            open_fields.remove(name)
    return action


def _with_ids(text: str, state: State) -> str:
    """The text with the names of people, places and things replaced by their ids, longest first."""
    names: dict[str, str] = {}
    for partition in ("characters", "locations", "items"):
        found = state.get(partition)
        for id, entry in found.items() if isinstance(found, dict) else ():
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                names[str(entry["name"])] = id
    for name in sorted(names, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
        text = re.sub(pattern, names[name], text, flags=re.IGNORECASE)
    return text


def _is_known(id: str, partitions: tuple[str, ...], state: State) -> bool:
    return any(isinstance(part := state.get(name), dict) and id in part for name in partitions)


def _explain(raw: Mapping[str, JsonValue], error: ValidationError) -> str:
    kind = raw.get("kind")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return f"no action is called {kind!r}; there are {', '.join(KINDS)}"
    fields = [name + ("" if field.is_required() else "?") for name, field in model.model_fields.items()]
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "it"
    takes = ", ".join(field for field in fields if field != "kind?") or "nothing"
    return f"{kind} takes {takes}; {where}: {first['msg']}"
