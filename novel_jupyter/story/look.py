"""Questions to a state, asked by rules.

Law: reads only. What it answers is the truth; what a character may know of it is the business of
`persona_view`.
Parts: `Look`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .shapes import CharacterState, ItemState, LocationState, SeatState, UseState, WayState
from .turn import Cast
from .world import Stage, State, seat_of, stage_of

REACH = 2
"""How many exits one can pass in a single move."""


class Look:
    """A state, readable. A state never changes, so what was counted once is kept."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.stage: Stage = stage_of(state)
        self._at: dict[str, list[str]] = {}
        self._with: dict[str, list[str]] = {}
        self._held: dict[str, list[str]] | None = None
        self._ways: dict[str, dict[str, list[str]]] = {}

    @property
    def people(self) -> Mapping[str, CharacterState]:
        return self.stage["characters"]

    def seat(self, character: str) -> SeatState:
        return seat_of(self.state, character)

    def acts(self, character: str) -> bool:
        """Whether they exist, live and have not left."""
        person = self.people.get(character)
        return person is not None and person["status"] == "present" and self.place(character) is not None

    def _sees(self, character: str) -> bool:
        return f"seat:{character}" in self.state

    def place(self, character: str) -> str | None:
        """Where they really are, also when hidden (None, if that is not ours to know).

        The public place counts: people may edit it, and then it is so.
        """
        public = self.people[character]["location"]
        if public in self.stage["locations"] or not self._sees(character):
            return public
        return self.seat(character)["location"]

    def hidden(self, character: str) -> bool:
        person = self.people[character]
        return person["status"] == "present" and person["location"] is None

    def at(self, location: str | None) -> list[str]:
        """The living who can be seen at a location, sorted."""
        if not location:
            return []
        if location not in self._at:
            self._at[location] = sorted(
                id for id, who in self.people.items() if who["location"] == location and self.acts(id)
            )
        return list(self._at[location])

    def with_(self, character: str) -> list[str]:
        """Whom a character sees where they are."""
        if character not in self._with:
            self._with[character] = [id for id in self.at(self.place(character)) if id != character]
        return list(self._with[character])

    def witnesses(self, location: str | None) -> list[str]:
        """The living who are at a location, hidden ones too."""
        return sorted(id for id in self.people if location and self.acts(id) and self.place(id) == location)

    @property
    def forbids(self) -> Sequence[str]:
        """Kinds of action that do not belong in this story."""
        return self.stage["scene"].get("forbids", ())

    def item(self, item: str) -> ItemState | None:
        """An item that is not hidden, or None."""
        found = self.stage["items"].get(item)
        return None if found is None or found["destroyed"] else found

    def whereabouts(self, item: str) -> str | None:
        """Where an item really is, hidden or in somebody's hands, or None."""
        found = self.stage["items"].get(item) or self.stage["director"]["items"].get(item)
        if found is None or found["destroyed"]:
            return None
        return self.place(found["holder"]) if found["holder"] else found["location"]

    def items_at(self, location: str | None) -> list[str]:
        """Items that lie at a location in plain sight, sorted."""
        return sorted(
            id
            for id, item in self.stage["items"].items()
            if location and item["location"] == location and not item["destroyed"]
        )

    def held_by(self, character: str) -> list[str]:
        if self._held is None:
            self._held = {}
            for id, item in sorted(self.stage["items"].items()):
                if item["holder"] is not None:
                    self._held.setdefault(item["holder"], []).append(id)
        return list(self._held.get(character, ()))

    def buried(self, location: str) -> list[str]:
        """Hidden items at a location, sorted."""
        return sorted(
            id for id, item in self.stage["director"]["items"].items() if item["location"] == location
        )

    def location(self, location: str) -> LocationState:
        return self.stage["locations"][location]

    def ways_to_use(self, item: str) -> Mapping[str, WayState]:
        found = self.stage["items"].get(item)
        return found["uses"] if found else {}

    def use(self, item: str, how: str) -> UseState:
        """What comes of using an item. Raises KeyError if it cannot be used so."""
        return self.stage["director"]["script"]["uses"][item][how]

    def knows(self, character: str, fact: str) -> bool:
        return self._sees(character) and fact in self.seat(character)["beliefs"]

    def trust(self, of: str, to: str) -> int:
        return self.seat(of)["relations"].get(to, 0) if self._sees(of) else 0

    def trait(self, character: str, trait: str) -> int:
        return self.people[character]["traits"].get(trait, 0)

    def armed(self, character: str) -> bool:
        return any(self.stage["items"][item]["weapon"] for item in self.held_by(character))

    def exits(self, location: str, keys: list[str]) -> dict[str, str | None]:
        """Where one can go from here with these items → the key that it takes, if it is still locked."""
        return {
            other: None if exit["open"] else exit["locked_by"]
            for other, exit in self.location(location)["exits"].items()
            if exit["open"] or exit["locked_by"] in keys
        }

    def ways(self, character: str) -> dict[str, list[str]]:
        """Every location within reach of one move → the locations passed on the way, itself last."""
        if character not in self._ways:
            self._ways[character] = self._find_ways(character)
        return self._ways[character]

    def _find_ways(self, character: str) -> dict[str, list[str]]:
        start = self.place(character)
        if start is None:
            return {}
        keys = self.held_by(character)
        found: dict[str, list[str]] = {}
        edge: list[tuple[str, list[str]]] = [(start, [])]
        for _ in range(REACH):
            edge = [
                (other, [*way, other])
                for here, way in edge
                for other in sorted(self.exits(here, keys))
                if other != start and other not in found
            ]
            for other, way in edge:
                found.setdefault(other, way)
        return found

    def name(self, id: str) -> str:
        """The name of anything, with its article: `Mara`, `the logbook`, `the cellar`."""
        if id in self.people:
            return self.people[id]["name"]
        item = self.stage["items"].get(id)
        if item is None and "director" in self.state:
            item = self.stage["director"]["items"].get(id)
        if item:
            return f"{item['article']} {item['name']}".strip()
        if id in self.stage["locations"]:
            return f"the {self.stage['locations'][id]['name']}"
        if id in self.stage["clocks"]:
            return f"the {self.stage['clocks'][id]['name']}"
        return id

    def at_place(self, location: str) -> str:
        """`in the cellar`, `on the landing`."""
        place = self.location(location)
        return f"{place['prep']} the {place['name']}"


def named(look: Look, id: str) -> Cast:
    """The name of something that has one. Raises KeyError for a fact or a clock."""
    if id in look.people:
        person = look.people[id]
        return Cast("character", person["name"], pronouns=person["pronouns"])
    if id in look.stage["locations"]:
        place = look.location(id)
        return Cast("location", place["name"], article="the", prep=place["prep"])
    item = look.stage["items"].get(id) or look.stage["director"]["items"][id]
    return Cast("item", item["name"], article=item["article"])
