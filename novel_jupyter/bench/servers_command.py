"""`novel-jupyter bench`: runs a load and prints its figures, as a table or as JSON.

Law: ratios against a reference of the same run are what counts; where the machine or the load generator was
the limit, it says so.
Parts: `run_bench_servers`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict

from novel_jupyter import __version__
from novel_jupyter.store_urls import NotAStore, url_of

from .loads import Appends, Spread
from .person import BenchError
from .servers import QUICK, REFERENCE, Figures, Plan, bench_store, stores

BUSY = 0.9


def run_bench_servers(
    said: Sequence[str],
    *,
    quick: bool,
    rate: float | None,
    as_json: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> int:
    """The command; its exit code. `said` are stores as typed. Sessions are made in them and stay there."""
    plan = QUICK if quick else Plan()
    if rate is not None:
        plan = Plan(**{**asdict(plan), "rate": rate})
    # A full collection here would be told as a server's latency; what a run leaves behind is little.
    gc.disable()
    try:
        urls = [url_of(each) for each in said]
        with stores(urls, warn) as (folder, places):
            found = [asyncio.run(bench_store(place, plan, folder, warn)) for place in places]
    except NotAStore as error:
        warn(str(error))
        return 2
    except (BenchError, RuntimeError, TimeoutError) as error:
        warn(f"the run is no good: {error}")
        return 1
    finally:
        gc.enable()
    if as_json:
        report = {
            "version": __version__,
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            "plan": asdict(plan),
            "stores": [{**asdict(figures), "ratios": ratios(figures, found[0])} for figures in found],
            "notes": _notes(found),
        }
        say(json.dumps(report))
    else:
        say(_table(found, plan))
    return 0


def ratios(figures: Figures, reference: Figures) -> dict[str, float]:
    """Latency and throughput through two servers beside one, and one beside the reference's one."""
    found = {
        "latency_to_reference": figures.latency_one.p50 / reference.latency_one.p50,
        "appends_to_reference": figures.appends_one.appends / reference.appends_one.appends,
        "commands_to_reference": figures.grouped_one.commands / reference.grouped_one.commands,
    }
    if figures.latency_two and figures.appends_two and figures.grouped_two:
        found["latency_two_to_one"] = figures.latency_two.p50 / figures.latency_one.p50
        found["appends_two_to_one"] = figures.appends_two.appends / figures.appends_one.appends
        found["commands_two_to_one"] = figures.grouped_two.commands / figures.grouped_one.commands
    return {name: round(value, 2) for name, value in found.items()}


def _notes(found: Sequence[Figures]) -> list[str]:
    cores = os.cpu_count() or 1
    shared = (
        f"{cores} cores for the servers, the store and the load generator together: two servers are hardly "
        "faster than one where one of them and the load generator fill the machine"
    )
    notes = [shared]
    for figures in found:
        for run in (figures.appends_one, figures.appends_two, figures.grouped_one, figures.grouped_two):
            if run is not None and (run.load > BUSY or _total(run) > BUSY * cores):
                what = "load generator" if run.load > BUSY else "machine"
                count = len(run.servers.memory)
                notes.append(
                    f"{figures.store}, {count} server(s), window {run.window}: the {what} was the limit "
                    f"({_total(run):.2f} of {cores} cores in all, load generator {run.load:.2f})"
                )
    return notes


def _total(run: Appends) -> float:
    return sum(run.servers.cores) + run.servers.store_cores + run.load


def _table(found: Sequence[Figures], plan: Plan) -> str:
    lines = ["", f"{'alice sends, bob sees (ms)':<31}one server: p50 p99      two: p50 p99    two/one"]
    for figures in found:
        name, one, two = figures.store, figures.latency_one, figures.latency_two
        beside = f"{_ms(two)}    {two.p50 / one.p50:.2f}" if two else "     –      –          –"
        lines.append(f"  {name:<32}{_ms(one)}      {beside}")
    lines += [
        "",
        f"appends a second, {plan.writers} sessions, one command of each under way (answer p50 p99)",
    ]
    lines += [_rates(f.store, f.appends_one, f.appends_two, found[0].appends_one) for f in found]
    lines += [
        "",
        f"commands a second, {plan.writers} sessions, {plan.window} of each under way (group commit)",
    ]
    lines += [_rates(f.store, f.grouped_one, f.grouped_two, found[0].grouped_one) for f in found]
    lines += ["", f"{plan.sessions} sessions × {plan.people} people, {plan.rate:g} commands a second in all"]
    for figures in found:
        many = figures.crowd
        memory = " + ".join(f"{each:.0f}" for each in many.servers.memory)
        cores = " + ".join(f"{each:.2f}" for each in many.servers.cores)
        lines.append(
            f"  {figures.store:<12} {figures.crowd_servers} server(s), {many.deliveries:.0f} deliveries/s; "
            f"ms to one {_ms(many.delivery)}, to the last {_ms(many.last)}; {many.agree} replicas agree"
        )
        lines.append(
            f"  {'':<12} memory {memory} MB; cores {cores}, store {many.servers.store_cores:.2f}, "
            f"load generator {many.load:.2f}"
        )
    reference = f"The reference is {REFERENCE} through one server."
    return "\n".join([*lines, "", reference, *_notes(found)])


def _ms(spread: Spread) -> str:
    return f"{spread.p50:6.2f} {spread.p99:6.2f}"


def _rates(name: str, one: Appends, two: Appends | None, reference: Appends) -> str:
    def rate(run: Appends) -> float:
        return run.appends if run.window == 1 else run.commands

    beside = rate(one) / rate(reference)
    text = f"  {name:<12} one server {rate(one):6.0f} ({beside:.2f} of the reference, {_ms(one.answer)} ms)"
    if two is not None:
        text += f"; two {rate(two):6.0f} ({rate(two) / rate(one):.2f} of one, {_ms(two.answer)} ms)"
    return text
