"""Leaves a receipt of every picture, released or not, and the commitment to who asked for it.

receipts = Receipts(policy, ledger, vault, parts)
commitment = receipts.commit(call, request)
receipts.ended(admitted, request, error, "image")      # what does not leave is written down too
"""

from __future__ import annotations

from sdk import leaf
from sdk.errors import LedgerError, PolicyError, Refused, RequestError, SDKError, VaultError
from sdk.ledger import Ledger
from sdk.ledger_writer import Receipt
from sdk.parts import Parts
from sdk.phases import Admitted
from sdk.policy import Policy
from sdk.request import Request
from sdk.types import JSON
from sdk.vault import Vault

UNLABELLED_MONTHS = 6
"""Measures for Labeling AI-Generated Synthetic Content, Art. 9: logs of whom, at least so long."""


class Receipts:
    """A ledger, and what every entry of one policy holds."""

    def __init__(self, policy: Policy, ledger: Ledger, vault: Vault | None, parts: Parts) -> None:
        """Write under this policy, with these parts."""
        self._policy, self._ledger, self._vault, self._parts = policy, ledger, vault, parts

    def commit(self, call: str, request: Request) -> str | None:
        """Keep of the person's words what the policy keeps; return the commitment, hex.

        Raises:
            VaultError: it cannot be kept.
            RequestError: it asks for files without label, and the policy keeps too little for that.
        """
        if request.unlabelled_agreement:
            _check_unlabelled(self._policy, request)
        if self._vault is None or self._policy.record.personal == "none":
            return None
        commitment = self._vault.commit(request.subject or f"call:{call}", leaf.personal(request))
        if not isinstance(commitment, str):
            raise VaultError(
                f"asked for a commitment (record.personal = {self._policy.record.personal!r}), "
                "found that the vault gives none; open it in that mode"
            )
        return commitment

    def ended(
        self,
        admitted: Admitted,
        request: Request,
        error: BaseException,
        stage: str,
        index: int | None = None,
    ) -> None:
        """Leave the receipt of a picture that does not leave; the error then names it."""
        if isinstance(error, LedgerError):
            return  # it cannot be written, and the caller is told just that
        fields: dict[str, JSON] = leaf.ended(error, stage) | {
            "request": leaf.asked(request, index),
            "verdicts": leaf.decided(error.verdicts if isinstance(error, Refused) else ()),
        }
        receipt = self.write(admitted, fields, index)
        if isinstance(error, SDKError):
            error.receipt = receipt.leaf_hash

    def write(self, admitted: Admitted, fields: dict[str, JSON], index: int | None) -> Receipt:
        """Append one entry, of one picture or (None) of the whole call.

        Raises:
            LedgerError: it cannot be written.
            PluginError: the parts said more than an entry holds.
        """
        parts = self._parts
        shared = leaf.common(
            self._policy, parts.ids, parts.model, admitted.call, admitted.commitment
        )
        shared["changed_by"] = list(admitted.changed)
        shared["worded_by"] = list(admitted.worded(index))
        receipt = self._ledger.append(leaf.whole(shared, fields))
        if not isinstance(receipt, Receipt):
            raise LedgerError(
                f"asked for a receipt, found {type(receipt).__name__}; give a sdk.ledger.Ledger"
            )
        return receipt


def _check_unlabelled(policy: Policy, request: Request) -> None:
    """Hold a request for files without label to what must be kept of it."""
    lacking = [
        name
        for name, there in (
            ('marking.unlabelled = "agreed"', policy.marking.unlabelled == "agreed"),
            ('record.personal = "vault"', policy.record.personal == "vault"),
            (
                f"record.keep_months >= {UNLABELLED_MONTHS}",
                policy.record.keep_months >= UNLABELLED_MONTHS,
            ),
            ("the request's subject", bool((request.subject or "").strip())),
            ("the agreement's name", bool(request.unlabelled_agreement.strip())),
        )
        if not there
    ]
    if lacking:
        raise RequestError(
            f"asked for files without visible label, found no {' and no '.join(lacking)}; policy "
            f"{policy.name!r} labels every file without them"
        )


def check_vault(policy: Policy, vault: Vault | None) -> None:
    """Refuse a vault that does not keep what the policy says.

    Raises:
        PolicyError: there is none, or it was opened in another mode.
    """
    wanted, found = policy.record.personal, "none" if vault is None else str(vault.keep)
    if wanted not in ("none", found):
        raise PolicyError(
            f"policy {policy.name!r} asks for record.personal = {wanted!r}, found "
            f"{'no vault' if vault is None else f'a vault opened with keep = {found!r}'}; "
            f'give Vault.open(place, keep={wanted!r}), or say personal = "none"'
        )
