"""What people said about pictures of a run: picked at random, read from CSV, kept in its folder.

    rows = sample(folder, 200)                          # what to label: picked by digest, blind
    Labels.read_csv(path, folder, answerer).keep(folder)
    labels_of(folder)["perceived_gender"].values        # {"00003-000017": "woman", …}

Labels of a random part of the audited pictures say how the estimator errs on these very pictures.
They replace its own confusion matrix where there are enough of them, and give a second interval by
prediction-powered inference.  Several raters count by their majority; a tie is no label.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sdk.audits.agreement import fleiss_kappa
from sdk.audits.estimates import UNCLEAR
from sdk.audits.estimating import Answerer
from sdk.audits.folder import PICTURES, Folder
from sdk.audits.tables import rows_of_csv, text_of
from sdk.errors import AuditError, OutputError
from sdk.output import Placement
from sdk.types import JSON

FORMAT = "audit-labels-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """One attribute of some pictures of a run, as people see it."""

    attribute: str
    values: Mapping[str, str]
    """Picture (`00003-000017`) → value."""
    source: Mapping[str, JSON] = field(default_factory=dict)

    @classmethod
    def read_csv(
        cls, path: Path, folder: Folder, answerer: Answerer, names: Mapping[str, str]
    ) -> Labels:
        """Read a CSV file with the columns `picture` and `value`, one row a rating.

        `names` is code → value, where the file has codes.  Empty values are pictures that nobody
        labelled yet.  The pictures must be those that `sample` chose.

        Raises:
            AuditError: unreadable, no label, a picture that this run did not observe, or a value
                that the attribute does not have; the message names the first.
        """
        text, digest = text_of(path)
        observed = {str(r["task"]): str(r.get("sha256", "")) for r in folder.lines()}
        known = {sha256: task for task, sha256 in observed.items() if sha256} | {
            task: task for task, sha256 in observed.items() if sha256
        }
        allowed = {*answerer.known, UNCLEAR}
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        listed: set[str] = set()
        for number, row in enumerate(rows_of_csv(text, "picture", optional=("value",)), 2):
            value = names.get(row["value"], row["value"])
            listed.add(known.get(row["picture"], ""))
            if not value:
                continue
            if row["picture"] not in known or value not in allowed:
                raise AuditError(
                    f"asked to import labels, found picture {row['picture'][:40]!r} with "
                    f"{value[:40]!r} in line {number}; pictures are those of {folder.path}, values "
                    f"of {answerer.attribute.name} are {', '.join(sorted(allowed))}"
                )
            votes[known[row["picture"]]][value] += 1
        labels = {task: value for task, count in votes.items() if (value := _majority(count))}
        if not labels:
            raise AuditError(
                f"asked to import labels from {path}, found none that raters agree on; fill the "
                "column value"
            )
        source: dict[str, JSON] = {
            "file": path.name, "sha256": digest, "labels": len(labels),
            "sample_sha256": _checked(listed, folder), "without_label": len(listed) - len(labels),
        }  # fmt: skip
        if no_majority := len(votes) - len(labels):
            source["no_majority"] = no_majority
        return cls(
            attribute=answerer.attribute.name, values=labels, source={**source, **_agreed(votes)}
        )

    def keep(self, folder: Folder) -> Path:
        """Put them into the run's folder; labels that are there are never replaced.

        Raises:
            OutputError: there are labels of this attribute already.
        """
        path = folder.path / f"labels-{self.attribute}.json"
        if path.exists():
            raise OutputError(
                f"asked to import labels of {self.attribute}, found some in {path}, and labels are "
                "never replaced; move that file away first"
            )
        kept = {
            "format": FORMAT,
            "attribute": self.attribute,
            "source": dict(self.source),
            "values": dict(self.values),
        }
        Placement.stage(path, (json.dumps(kept, indent=1) + "\n").encode()).release()
        return path


def labels_of(folder: Folder) -> dict[str, Labels]:
    """Return attribute → labels of a run; empty where nobody labelled.

    Raises:
        AuditError: a file of labels is damaged.
    """
    found = {}
    for path in sorted(folder.path.glob("labels-*.json")):
        try:
            kept = json.loads(path.read_text("utf-8"))
            assert kept["format"] == FORMAT
            values = {str(task): str(value) for task, value in kept["values"].items()}
            found[kept["attribute"]] = Labels(
                attribute=str(kept["attribute"]), values=values, source=dict(kept["source"])
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as exc:
            raise AuditError(
                f"asked to read labels from {path}, found {type(exc).__name__}; import them again"
            ) from exc
    return found


def sample(folder: Folder, pictures: int) -> str:
    """Return a CSV of pictures to label: a random part, in random order, without any answer.

    The choice is by a hash of plan and picture: nobody can pick, and everybody gets the same.

    Raises:
        AuditError: fewer than one, or more than were observed.
    """
    chosen = _order(folder)
    if not 1 <= pictures <= len(chosen):
        raise AuditError(
            f"asked for {pictures} pictures to label, found {len(chosen)} observed in "
            f"{folder.path}; ask for one to that many (-n)"
        )
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["picture", "file", "value"])
    for task in chosen[:pictures]:
        table.writerow([task, f"{PICTURES}/{task}.png", ""])
    return out.getvalue()


def _order(folder: Folder) -> list[str]:
    """Every observed picture, in the order in which people are asked for labels."""
    salt = str(folder.head.get("plan_sha256"))
    there = [str(row["task"]) for row in folder.lines() if "refused" not in row]
    return sorted(there, key=lambda task: hashlib.sha256(f"{salt}{task}".encode()).digest())


def _checked(listed: set[str], folder: Folder) -> str:
    """Check that pictures are a sample of this run; return the digest of its list.

    Raises:
        AuditError: somebody picked them, or the run went on after the sample.
    """
    chosen = _order(folder)[: len(listed)]
    if strange := sorted(listed - set(chosen)):
        raise AuditError(
            f"asked to import labels of {len(listed):,} pictures, found that {len(strange):,} of "
            f"them, first {strange[0] or 'one that was never observed'}, are not the ones that sdk "
            f"audit sample -n {len(listed)} chooses; label all of a sample, keep the rows of "
            "pictures without a label, and sample again after a run went on"
        )
    return hashlib.sha256("\n".join(chosen).encode()).hexdigest()


def confusion_by(
    labels: Labels, answers: Mapping[str, str], values: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Count labels by answers over `values`; pictures without an answer are in no cell."""
    counted = Counter(
        (label, answers.get(task, "")) for task, label in labels.values.items() if label in values
    )
    return tuple(tuple(counted[truth, answer] for answer in values) for truth in values)


def _majority(count: Counter[str]) -> str:
    value, most = count.most_common(1)[0]
    return value if 2 * most > count.total() and value != UNCLEAR else ""


def _agreed(votes: Mapping[str, Counter[str]]) -> dict[str, JSON]:
    """Fleiss' kappa, where every picture has the same number of raters, two or more."""
    raters = {count.total() for count in votes.values()}
    if len(raters) != 1 or raters == {1}:
        return {"raters": cast("JSON", sorted(raters))}
    values = sorted({value for count in votes.values() for value in count})
    kappa = fleiss_kappa([[count[value] for value in values] for count in votes.values()])
    return {"raters": raters.pop(), "fleiss kappa": round(kappa, 6)}
