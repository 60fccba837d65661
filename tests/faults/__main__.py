"""Faults at random, round after round: `python -m tests.faults --rounds 200`, or `make torture-all`.

Needs nothing but the embedded server, which it starts for itself; a full disk needs root, for a
small file system of its own, and is left out and said otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from tests.faults.arena import opened
from tests.faults.rounds import FAULTS, Round


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--verify-every", type=int, default=5, help="compare with a rebuild")
    chosen = parser.parse_args()
    began = time.monotonic()
    print(f"{chosen.rounds} rounds, seed {chosen.seed}", flush=True)
    with opened() as arena:
        faults = [fault for fault in FAULTS if fault.is_possible(arena)]
        for left_out in sorted(set(FAULTS) - set(faults), key=str):
            print(f"left out: {left_out}: {left_out.needs}")
        ends: Counter[str] = Counter()
        for number in range(1, chosen.rounds + 1):
            is_last = number == chosen.rounds
            verifies = is_last or number % chosen.verify_every == 0
            said = Round(arena, number, chosen.seed, faults).run(verifies)
            ends[said] += 1
            print(f"{number:4} {said}{', equal to a rebuild' if verifies else ''}", flush=True)
        arena.assert_equals_oracle()
    print(f"\nall {chosen.rounds} rounds held, in {time.monotonic() - began:.0f} s:")
    for said, count in sorted(ends.items()):
        print(f"{count:5}  {said}")


if __name__ == "__main__":
    sys.exit(main())
