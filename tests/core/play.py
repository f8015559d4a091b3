"""Everybody at a session does something, drawn from a seed: the schedules of the property tests.

Law: what happens follows from the seed and the number of steps alone, so that a failure is found again. What
is tried may be refused; that is part of it.
Parts: `Play`, and `played`, after which the network has healed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from core.rules import ALICE, BOB, CAROL, DAN, EVE, K1, K2, MADE_BY, outcome, put
from core.simulation import Asked, Json, Player, World
from pydantic import JsonValue

from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.policy import SERVER
from novel_jupyter.core.telling import turn_seed
from novel_jupyter.core.views import rules_of

CHARACTERS = ("mara", "tom", "keeper")
CHOOSING = ("/scene/mood", "/notes/a", "/notes/b", "/seat:mara/secret", "/seat:tom/secret", "/director/plan")
"""Paths at which one value replaces another."""
POLICIES = ("round", "immediate", "vote")


class Play:
    """A world at which everybody does something, drawn from a seed."""

    def __init__(self, seed: int, nodes: int, is_lossy: bool) -> None:
        self.random = random = Random(seed)
        self.is_lossy = is_lossy
        policy = random.choice(POLICIES)
        timeout = random.choice([None, 20.0])
        review = random.random() < 0.2
        session: Json = {"turn_policy": policy, "collect_timeout": timeout, "review": review}
        self.world = World(ALICE, nodes, {**session, "understudy_after": 15.0})
        self.people = [self.world.add(who, f"c-{who.user_id}") for who in (ALICE, BOB, CAROL, DAN, EVE)]
        self.people.append(self.world.add(BOB, "bobs-other-tab"))
        self.alice = self.people[0]
        self.kernels = [self.world.add(who, f"c-{who.user_id[7:]}") for who in (K1, K2)]
        self.edits: dict[tuple[str, str], str] = {}
        self.tokens = 0
        for player in self.world.players:
            player.connect(random.choice(self.world.nodes))
        self.pump()
        for kernel in (K1, K2):
            self.alice.do("system_message", kind="admit_host", kernel=kernel.user_id)
        self.alice.do("system_message", kind="set_role", target="dan", role="director")
        self.pump()
        self.kernels[0].do("agent_action", kind="request_lease")
        self.pump()

    # --- what may happen --------------------------

    def step(self) -> None:
        happenings: list[tuple[int, Callable[[], None]]] = [
            (10, self.edit),
            (8, self.propose),
            (4, self.get_ready),
            (3, self.seat),
            (3, self.say),
            (9, self.direct),
            (2, self.govern),
            (16, self.host),
            (3, self.reconnect),
            (4, self.pass_time),
            (1, self.lose_host),
            (3, self.ghost),
            (20, self.carry),
            (10, self.serve),
            (14, self.pump),
        ]
        weights, actions = zip(*happenings, strict=True)
        self.random.choices(actions, weights)[0]()

    def edit(self) -> None:
        player, random = self.random.choice([*self.people, *self.kernels]), self.random
        self.tokens += 1
        token = f"token{self.tokens}x"
        paths = [*CHOOSING, "/scene/tags", "/scene/text", "/scene/guarded", "/clocks/storm/value"]
        path = random.choice(paths)
        value: JsonValue = token
        if path == "/scene/tags":
            value = ["fog", token]
        elif path == "/scene/text":
            words = "one two three four five".split()
            words.insert(random.randrange(6), token)
            value = " ".join(words)
        elif path == "/clocks/storm/value":
            value = random.randrange(9)
        base = max(0, player.replica.sequence_id - random.choice([0, 0, 0, 2, 9]))
        player.do("story_update", base=base, patch=[put(path, value)])
        if path in CHOOSING:
            self.edits[player.who.user_id, f"{player.client_id}:{player.outbound._next - 1}"] = token

    def propose(self) -> None:
        player = self.random.choice([*self.people, *self.kernels])
        action: Json = {"kind": self.random.choice(["wait", "hide", "search"])}
        player.do("agent_action", kind="propose", character=self.random.choice(CHARACTERS), action=action)

    def get_ready(self) -> None:
        kind = self.random.choice(["ready", "ready", "withdraw", "vote", "vote"])
        self.random.choice(self.people).do(
            "agent_action", kind=kind, character=self.random.choice(CHARACTERS)
        )

    def seat(self) -> None:
        kind = self.random.choice(["claim", "claim", "release", "delegate"])
        more: Json = {"kernel": K2.user_id} if kind == "delegate" else {}
        self.random.choice(self.people).do(
            "agent_action", kind=kind, character=self.random.choice(CHARACTERS), **more
        )

    def say(self) -> None:
        player = self.random.choice(self.world.players)
        player.do("story_update", kind="chat", text=f"hello {self.random.randrange(99)}")

    def direct(self) -> None:
        turn = rules_of(self.world.log.states[-1])["turn"]
        if self.random.random() < 0.6:
            kind = {"collect": "lock", "paused": "resume", "review": "accept"}.get(turn["phase"], "start")
        else:
            words = "lock cancel pause resume reroll retell undo branch overrule overrule withdraw"
            kind = self.random.choice(words.split())
        nodes = [0, *map(int, rules_of(self.world.log.states[-1])["turns"]), 3]
        more: Json = {}
        if kind == "overrule":
            more = {
                "action": {"kind": "hide"} if self.random.random() < 0.5 else None,
                "reason": "so the story wants it",
            }
        if kind in ("overrule", "withdraw"):
            open_for = list(turn["proposals"]) or CHARACTERS
            more["character"] = self.random.choice(open_for)
        elif kind == "undo":
            more = {"to": self.random.choice([None, *nodes])}
        elif kind == "retell":
            more = {"node": self.random.choice([None, *nodes])}
        elif kind == "branch":
            more = {
                "name": self.random.choice(["main", "b1", "b2"]),
                "at": self.random.choice([None, *nodes]),
            }
        self.random.choice([self.alice, self.alice, self.people[3]]).do("agent_action", kind=kind, **more)

    def govern(self) -> None:
        target = self.random.choice(["bob", "carol", "dan", "eve"])
        role = self.random.choice(["player", "player", "spectator", "director", None])
        unarchive: Json = {"kind": "unarchive"}
        choices: list[Json] = [
            {"kind": "set_role", "target": target, "role": role},
            {"kind": "grant_view", "target": target, "sees_all": self.random.random() < 0.5},
            {"kind": "set_settings", "turn_policy": self.random.choice(POLICIES)},
            {"kind": "set_settings", "collect_timeout": self.random.choice([0, 20])},
            {"kind": "archive"} if self.random.random() < 0.2 else unarchive,
            {"kind": "admit_host", "kernel": K2.user_id, "admitted": self.random.random() < 0.7},
            {"kind": "invite", "role": "player", "uses": 2},
            {"kind": "revoke_invite", "invite": self.random.randrange(1, 60)},
        ]
        self.alice.do("system_message", **self.random.choice(choices))

    def host(self) -> None:
        """A kernel asks for the lease, takes a task, or answers the one it took, however long ago."""
        kernel, fate = self.random.choice(self.kernels), self.random.random()
        node = kernel.link.node if kernel.link else self.random.choice(self.world.nodes)
        state = node.room.state
        holder = rules_of(state)["host"]["holder"]
        if holder is None or (holder != kernel.who.user_id and fate > 0.9):
            kernel.do("agent_action", kind="request_lease")
        elif kernel.task is not None and fate < 0.2:
            self.answer_task(kernel, kernel.task)
        elif holder == kernel.who.user_id:
            task = host_task(state, turn_seed(state))
            kernel.task = task or kernel.task
            if task is not None and fate < 0.9:
                self.answer_task(kernel, task)
            elif fate > 0.98:
                kernel.do("agent_action", kind="release_lease")

    def answer_task(self, kernel: Player, task: Json) -> None:
        about: Json = {key: task[key] for key in ("turn", "attempt", "token")}
        name = f"host:{task['turn']}.{task['attempt']}"
        fails = self.random.random() < 0.1
        if task["task"] == "narrate":
            step = f"{name}.r{task['node']}-{self.tokens}:2" if task["retelling"] else f"{name}:2"
            if fails:
                kernel.do("agent_action", step, kind="narration_failed", **about, code="tired")
            else:
                told: Json = {"text": "It was so.", "sentences": [], "made_by": MADE_BY}
                kernel.do("agent_action", step, kind="narrative", **about, **told)
            return
        if fails:
            kernel.do("agent_action", f"{name}:1", kind="turn_failed", **about, code="broken")
            return
        self.tokens += 1
        seat: JsonValue = [self.random.choice(["mara", "tom"])]
        changes: list[JsonValue] = [
            {"audience": "everyone", "patch": [put("/scene/mood", f"agent{self.tokens}")]},
            {"audience": seat, "patch": [put(f"/seat:{seat[0]}/beliefs/b", self.tokens)]},  # type: ignore[index]
        ]
        result: Json = {
            "base": task["base"],
            "outcomes": [outcome("e1", "mara"), outcome("e2", "tom", seat)],
            "changes": changes[: self.random.randrange(3)],
            "turn_complete": self.random.random() < 0.8,
            "ended": {"ending": "storm"} if self.random.random() < 0.03 else None,
            "made_by": MADE_BY,
        }
        kernel.do("agent_action", f"{name}:1", kind="turn_result", **about, **result)

    def reconnect(self) -> None:
        player = self.random.choice(self.world.players)
        if player.link is not None and self.random.random() < 0.5:
            player.disconnect()
        else:
            player.connect(self.random.choice(self.world.nodes))

    def pass_time(self) -> None:
        self.world.wait(self.random.choice([1, 8, 30]))
        node = self.random.choice(self.world.nodes)
        node.queue.append(Asked(None, SERVER, None))

    def lose_host(self) -> None:
        node = self.random.choice(self.world.nodes)
        token = rules_of(node.room.state)["host"]["token"]
        node.queue.append(Asked(None, SERVER, None, token - self.random.randrange(4)))

    def ghost(self) -> None:
        """Something arrives on a connection that its client has given up."""
        waiting = [link for link in self.world.ghosts if link.up]
        if waiting:
            self.world.carry(self.random, self.random.choice(waiting), self.is_lossy)

    def carry(self) -> None:
        for player in self.random.sample(self.world.players, 3):
            player.flush()
            for _ in range(self.random.randrange(6)):
                if player.link is not None:
                    self.world.carry(self.random, player.link, self.is_lossy)

    def serve(self) -> None:
        node = self.random.choice(self.world.nodes)
        fate = self.random.random()
        if fate < 0.4:
            node.prepare()
        elif fate < 0.9:
            node.append(is_unknown=fate > 0.8)
        elif node.pending is None:
            node.catch_up()

    def pump(self) -> None:
        """A moment in which everything goes through."""
        for _ in range(3):
            for player in self.world.players:
                player.flush()
                while player.link is not None and (player.link.up or player.link.down):
                    self.world.carry(self.random, player.link, False)
            for node in self.world.nodes:
                node.append()
                node.prepare()
                node.append()
            for node in self.world.nodes:
                node.catch_up()


def played(seed: int, steps: int, nodes: int = 1, is_lossy: bool = True) -> Play:
    play = Play(seed, nodes, is_lossy)
    for _ in range(steps):
        play.step()
    play.world.settle(play.random)
    return play
