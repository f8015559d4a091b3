"""The phrase bank, third part: entrances, slips of the tongue, and luck that goes to somebody else.

Law: as in `phrases`.
Parts: `SCENES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCENES: Final[Mapping[str, tuple[str, ...]]] = {
    "enter": (
        "{B} [come] to {place}.",
        "Before long {B} [be] {at}.",
        "It [bring] {B} to {place}.",
        "{B} [be] not long in coming to {place}.",
        "{B} [turn] up {at}.",
        "Then {B} [stand] {at} as well.",
        "{B} [have] found a reason to come to {place}.",
        "Something [draw] {B} to {place}.",
        "{B} [be] {at} by then.",
        "{B} [walk] in as if by chance; it [be] no chance.",
        "A door, and then {B} {at}.",
    ),
    "ask.slip": (
        "{A} [say] one word too many, and {B} [keep] it.",
        "The question [give] more away than the answer would have; {B} [see] it.",
        "{B} [give] {A} nothing, and [come] away knowing more than before.",
        "{A} [ask] too much too fast. {B} [begin] to understand why.",
        "{B} [let] {A} talk, and {A} [talk] too long.",
        "It [be] {A} who [let] something slip.",
        "{A} [bite] {A.his} lip, too late; {B} [have] heard.",
        "{B} [answer] with a question of {B.his} own, and {A} [walk] into it.",
    ),
    "search.lost": (
        "{A} [turn] {place} over, and it [be] {B} who [lay] a hand on {item}.",
        "{A} [search] {place} in a hurry. {B} [see] {item} first.",
        "{A} [move] one thing too many: {item} [lie] open, nearer to {B}.",
        "{B} [watch] {A} search {place}, and [pick] up {item} from behind {A.him}.",
        "What {A} [be] looking for [come] to light at the feet of {B}: {item}.",
        "{A} [have] the right place and the wrong moment. {B} [take] {item}.",
        "{A} [find] nothing. {B}, who [have] not been looking, [find] {item}.",
    ),
}
