"""What the prompt gate catches at bounds that harmless prompts seldom reach, fold by fold.

    sdk train prompt-filter --data prompts --data-set file=prompts.jsonl.gz -o run
    python benchmarks/gate_folds.py run prompts.jsonl.gz

Every prompt is scored by networks that were not fitted on it or on its near-copies: those that the
run left in `fitted/`.  Each line is one bound: the share of ordinary harmless prompts that reach
it, then the shares of the other sources.  Texts are read whole and as written; sentences, spelling
and the languages' own bounds come on top in the gate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sdk_prompt_gate.calibration import threshold_at
from sdk_prompt_gate.contrast import contrast
from sdk_prompt_gate.examples import FOLDS, PLAIN, Example, people, read, split, vary
from sdk_prompt_gate.network import Gate
from sdk_prompt_gate.restore import sentence_case
from sdk_prompt_gate.train import _encode, groups

SHARES = (0.001, 0.005, 0.01, 0.02, 0.05)


class Quiet:
    """A watch that says nothing."""

    def step(self, done: int, total: int, /) -> None:
        """Go on."""


def scored(run: Path, prompts: Path) -> list[tuple[Example, float]]:
    """Each example with the logit of networks that had not seen it."""
    plain = read(prompts)
    seen = _encode(plain, run / "cache", Quiet())
    plain = split(plain, groups(seen))
    varied, written = vary(plain), [*people(), *contrast()]
    examples = [*plain, *varied, *written]
    rest = [_encode(each, run / "cache", Quiet()) for each in (varied, written)]  # kept by the run
    whole, out = np.concatenate([seen, *rest]), []
    for fold in FOLDS:
        rows = [i for i, e in enumerate(examples) if e.fold == fold]
        texts = [sentence_case(examples[i].text) for i in rows]
        logits = Gate(run / "fitted" / f"fold-{fold}.npz").logits_many(whole[rows], texts)
        out += [(examples[i], float(z)) for i, z in zip(rows, logits[:, 0], strict=True)]
    return out


def main() -> None:
    """Print the table."""
    found = scored(Path(sys.argv[1]), Path(sys.argv[2]))

    def of(
        source: str, *, unsafe: bool, least: float = 0.0
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(
            [
                z
                for e, z in found
                if e.unsafe is unsafe
                and not e.varied
                and e.source.startswith(source)
                and e.strength >= least
            ]
        )

    ordinary = np.concatenate([of(source, unsafe=False) for source in PLAIN])
    columns = {
        "coprov2": of("coprov2", unsafe=True),
        "overt": of("overt_unsafe", unsafe=True),
        "nibbler": of("nibbler", unsafe=True),
        "i2p>=70": of("i2p", unsafe=True, least=0.7),
        "contrast": of("contrast", unsafe=True),
        "languages": of("languages", unsafe=True),
        "| overt ok": of("overt_benign", unsafe=False),
        "contrast ok": of("contrast", unsafe=False),
        "languages ok": of("languages", unsafe=False),
        "users": of("diffusiondb", unsafe=False),
    }
    print("ordinary  logit ", *(f"{name:>12}" for name in columns))
    print("          n     ", *(f"{len(z):>12}" for z in columns.values()))
    for share in SHARES:
        bound = threshold_at(ordinary, share)
        cells = (f"{(z >= bound).mean():>12.3f}" for z in columns.values())
        print(f"{share:>8.1%}  {bound:>5.2f} ", *cells)


if __name__ == "__main__":
    main()
