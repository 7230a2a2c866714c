"""Signs pictures with C2PA Content Credentials and reads them back.

    policy:  signer = {plugin = "c2pa", settings = {certificate = "chain.pem", key = "key.pem"}}

Without a certificate a development one is made on first use, which nobody trusts and which says
so.  Nothing is fetched from the network.  docs/provenance.md lists what a manifest says.
"""

from __future__ import annotations

from sdk import Settings, Signer, hookimpl

from .part import C2PASigner

__all__ = ["C2PASigner", "signer"]


@hookimpl
def signer(settings: Settings) -> Signer:
    """Make the C2PA signer; its settings are the arguments of `C2PASigner`."""
    return C2PASigner(**settings)  # type: ignore[arg-type]
