"""`python -m tests.worlds`: runs worlds, and prints a line for each kind of violation by which it is made again.

python -m tests.worlds --count 2000 --seed 1           worlds 1 to 2000
python -m tests.worlds 'HTTP_PROXY=dead + map=empty'   this world, as it was printed
python -m tests.worlds --alone                         each fault by itself
python -m tests.worlds --list                          the names of all faults
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from .registry import FAULTS, Fault, draw, named
from .run import Outcome, prepare, run_many, shrink


def main(words: list[str]) -> int:
    """Runs what the line says; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds", description=(__doc__ or "").partition(":")[2])
    parser.add_argument("worlds", nargs="*", help="worlds, as they were printed")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first world")
    parser.add_argument("--count", type=int, default=100, help="how many")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--fast", action="store_true", help="without the faults that take seconds")
    parser.add_argument("--alone", action="store_true", help="first each fault by itself")
    parser.add_argument("--axis", default="", help="with --alone: only the faults of an axis")
    parser.add_argument("--list", action="store_true", help="print the names of the faults")
    args = parser.parse_args(words)
    if args.list:
        print("\n".join(FAULTS))
        return 0
    prepare()
    start = time.monotonic()
    outcomes = run_many(_worlds(args), args.seconds, _Teller())
    print(_totals(outcomes, time.monotonic() - start))
    return 1 if any(one.found for one in outcomes) else 0


def _worlds(args: argparse.Namespace) -> list[tuple[Fault, ...]]:
    if args.worlds:
        return [named(world) for world in args.worlds]
    chosen = [one for one in FAULTS.values() if not (args.fast and one.slow) and args.axis in ("", one.axis)]
    alone = [(), *((one,) for one in chosen)] if args.alone else []
    return alone + [draw(seed, args.fast) for seed in range(args.seed, args.seed + args.count)]


class _Teller:
    """Prints each kind of violation once, in the smallest world that has it."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, outcome: Outcome) -> None:
        kinds = {found.kind for found in outcome.found}
        if new := kinds - self._seen.keys():
            small = shrink(outcome) if " + " in outcome.world else outcome
            print(f"\npython -m tests.worlds '{small.world}'")
            for found in small.found if small.found[0].kind in new else outcome.found:
                print(f"  {found.kind}\n    {found.details}", flush=True)
        elif outcome.found:
            print(f"also: '{outcome.world}' {sorted(kinds)}", flush=True)
        self._seen.update(kinds)


def _totals(outcomes: list[Outcome], seconds: float) -> str:
    held = sum(not one.found and not one.skipped for one in outcomes)
    skipped = sum(bool(one.skipped) for one in outcomes)
    kinds = Counter(found.kind for one in outcomes for found in one.found)
    lines = [f"{count:5} {kind}" for kind, count in kinds.most_common()]
    pace = f"{seconds:.0f} s, {len(outcomes) / max(seconds, 0.01):.1f} a second"
    return "\n".join(["", *lines, f"{len(outcomes)} worlds: {held} held, {skipped} skipped ({pace})."])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
