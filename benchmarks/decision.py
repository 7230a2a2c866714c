"""How long a policy takes to decide, with the full trace: CPU microseconds, filters not counted.

    python benchmarks/decision.py [--policy strict] [--runs 20000]

Eight findings of six categories, from nothing found to certain, are put before the policy; each
becomes a verdict with rule, bound, score, citation and jurisdiction, and the strictest one decides.
The chain of packs and the digest of the policy are computed once, when it is read.  `rows` is what
a receipt holds of it.  The best of seven batches counts: others run on this machine.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

from sdk import leaf
from sdk.decide import decide, strictest
from sdk.policy import Policy, load
from sdk.types import Finding

SCORES = {
    "sexual": 0.02,
    "sexual_minors": 0.01,
    "violence": 0.35,
    "hate": 0.10,
    "self_harm": 0.05,
    "illegal": 0.70,
}
MORE = (("sexual", 0.97), ("violence", 0.55))


def findings() -> list[Finding]:
    """Six categories, two of them found twice."""
    return [Finding(category=c, score=s, by="lists") for c, s in (*SCORES.items(), *MORE)]


def best(work: Callable[[], object], runs: int) -> float:
    """CPU microseconds of one run: the best of seven batches."""
    batches = []
    for _ in range(7):
        start = time.process_time()
        for _ in range(runs):
            work()
        batches.append((time.process_time() - start) / runs * 1e6)
    return min(batches)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="strict")
    parser.add_argument("--runs", type=int, default=5000)
    chosen = parser.parse_args()
    policy: Policy = load(chosen.policy)
    found = findings()
    gc.disable()
    verdicts = decide(policy, "prompt", found)
    print(f"policy {policy.name}: {len(policy.rules)} rules, {len(policy.chain)} packs")
    print(f"{len(found)} findings, decision {strictest(verdicts)}, {len(verdicts)} verdicts")
    whole = best(lambda: strictest(decide(policy, "prompt", found)), chosen.runs)
    rows = best(lambda: leaf.decided(verdicts), chosen.runs)
    one = best(lambda: decide(policy, "prompt", found[:1]), chosen.runs)
    print(f"decide, all findings  {whole:6.1f} us CPU")
    print(f"decide, one finding   {one:6.1f} us CPU")
    print(f"rows for the receipt  {rows:6.1f} us CPU")


if __name__ == "__main__":
    main()
