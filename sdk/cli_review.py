"""`sdk review`: what waits for a person, and what they decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.terminal import AsJson, answer, app, errors, say

if TYPE_CHECKING:
    from sdk.review_item import Review
    from sdk.types import JSON

review = app("The queue of calls that a person must look at; votes are in the ledger.")

_Id = Annotated[str, typer.Argument(help="Id of the review, as sdk review list shows it.")]
_By = Annotated[str, typer.Option("--by", help="Who decides; stays in the queue, not the ledger.")]


@review.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person, oldest first."""
    from sdk.config import open_reviews

    with errors(as_json), open_reviews() as queue:
        items = queue.items("" if everything else "waiting")
        if as_json:
            answer([_row(item) for item in items])
            return
        for item in items:
            about = item.about
            say(
                f"{item.id}  {item.at[:16]}  {item.kind:<7} {item.status:<9} {about.stage:<7}"
                f"{', '.join(about.categories)}  [{', '.join(about.rules)}]"
            )
        if not items:
            say("nothing waits")


@review.command()
def show(
    id_: _Id,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the labelled review copy here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one review, and what was asked where the policy keeps it in the vault."""
    from sdk.config import open_reviews
    from sdk.errors import ReviewError
    from sdk.output import Placement

    with errors(as_json), open_reviews() as queue:
        item = queue.item(id_)
        asked = _asked(item)
        if output:
            copy = queue.picture(id_)
            if not copy:
                raise ReviewError(
                    f"asked for the picture of review {id_}, found none; set review.keep_picture "
                    "in the policy, and it is kept until the decision"
                )
            Placement.stage(output, copy).release()
        if as_json:
            answer({**_row(item), "asked": asked})
        else:
            say("\n".join(_words(item, asked)))


@review.command()
def approve(id_: _Id, by: _By, as_json: AsJson = False) -> None:
    """Approve exactly this request, once; it is asked again and passes every control again."""
    _vote(id_, "approve", by, as_json)


@review.command()
def reject(id_: _Id, by: _By, as_json: AsJson = False) -> None:
    """Reject it; the refusal stays."""
    _vote(id_, "reject", by, as_json)


@review.command()
def appeal(
    receipt: Annotated[str, typer.Argument(help="Receipt of the refusal: leaf hash or index.")],
    why: Annotated[
        str, typer.Option(help="false-positive, context or other: a word, no story.")
    ] = "false-positive",
    as_json: AsJson = False,
) -> None:
    """Appeal against a refusal: it is written into the ledger and put into the queue."""
    from sdk.appeals import appeal as put
    from sdk.config import open_ledger, open_reviews

    with errors(as_json), open_ledger() as ledger, open_reviews() as queue:
        item, written = put(receipt, why, ledger, queue)
        if as_json:
            answer({"review": item, "receipt": written})
        else:
            say(f"appeal {item} is in the queue; receipt {written}")


def _vote(id_: str, vote: str, by: str, as_json: bool) -> None:
    from sdk.config import open_ledger, open_reviews

    with errors(as_json), open_ledger() as ledger, open_reviews() as queue:
        item = queue.vote(id_, vote, by, ledger)
        if as_json:
            answer(_row(item))
        else:
            say("\n".join(_words(item, None)))


def _row(item: Review) -> dict[str, JSON]:
    votes: list[JSON] = [{"at": at, "by": who, "vote": how} for at, who, how in item.votes]
    return {
        "id": item.id,
        "at": item.at,
        "kind": item.kind,
        "status": item.status,
        "receipt": item.receipt,
        "used_by": item.used_by or None,
        "expires": item.expires.isoformat(),
        "votes": votes,
        **item.about.as_json(),
    }


def _words(item: Review, asked: str | None) -> list[str]:
    about = item.about
    approved = sum(how == "approve" for _, _, how in item.votes)
    lines = [
        f"{item.kind} {item.id}: {item.status}",
        f"{about.stage}: {', '.join(about.categories)} by rule {', '.join(about.rules)} of "
        f"policy {about.policy}",
        f"refused with receipt {item.receipt}",
        f"{approved} of {about.votes} approvals; expires {item.expires:%Y-%m-%d %H:%M} UTC",
    ]
    lines += [f"  {at[:16]}  {who}: {how}" for at, who, how in item.votes]
    if asked is not None:
        lines.append(f"asked: {asked}")
    if about.worded_by:
        lines.append(f"judged in the words of {', '.join(about.worded_by)}")
    if item.status == "approved" and item.kind == "review":
        lines.append(
            f"used by call {item.used_by}"
            if item.used_by
            else f"to go on, ask the same again with --seed {about.seed} --approval {item.id}"
        )
    return lines


def _asked(item: Review) -> str | None:
    """The prompt, where the policy sealed it in the vault; None where nothing is kept."""
    from sdk.config import open_vault
    from sdk.errors import VaultError

    vault = open_vault("vault") if item.about.personal else None
    if vault is None:
        return None
    with vault:
        try:
            return str(vault.open_commitment(item.about.personal).get("prompt", ""))
        except VaultError:
            return None  # only committed to, or erased
