"""Images with their papers in order.

    from sdk import Request, Studio

    result = Studio.open("default").generate(Request(prompt="a red apple"))
    result.image.data                       # the signed file

Names load their room on first use, so `import sdk` costs nothing and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdk.audits.drift import Drift, expected_answers
    from sdk.audits.estimates import AttributeEstimator, Confusion, Estimate, findings_of
    from sdk.audits.monitor import Monitor
    from sdk.audits.sampling import Sampler
    from sdk.colour import lab_of
    from sdk.config import open_ledger
    from sdk.data.signals import do_not_train, reserved
    from sdk.durable import write_whole
    from sdk.energy import Energy, Meter
    from sdk.errors import (
        BackendError,
        Cancelled,
        DataError,
        LedgerError,
        MarkError,
        OutputError,
        PluginError,
        PolicyError,
        Refused,
        RequestError,
        SDKError,
        SealError,
        TrainError,
        VerifyError,
    )
    from sdk.formats import media_type_of
    from sdk.hookspecs import (
        Auditor,
        Backend,
        Dataset,
        ImageFilter,
        Observer,
        PromptFilter,
        Refiner,
        Rewriter,
        Signer,
        Trainer,
        Watermark,
        hookimpl,
    )
    from sdk.inputs import InputImage
    from sdk.keys import SigningCredential
    from sdk.ledger import Ledger
    from sdk.manifests import ManifestStore, read_manifests
    from sdk.markdown import plain
    from sdk.phases import Released, Result
    from sdk.pipeline import Studio
    from sdk.pixels import Picture, Pixels
    from sdk.reading import Reading, readings
    from sdk.registry import Registry
    from sdk.request import Request
    from sdk.tiling import in_tiles
    from sdk.training import Item
    from sdk.types import (
        JSON,
        Box,
        Capabilities,
        Claim,
        Decision,
        Detection,
        Event,
        Finding,
        Model,
        Presence,
        Seal,
        Settings,
        Transform,
        Verdict,
        Watch,
        Worded,
    )

__all__ = [
    "JSON",
    "AttributeEstimator",
    "Auditor",
    "Backend",
    "BackendError",
    "Box",
    "Cancelled",
    "Capabilities",
    "Claim",
    "Confusion",
    "DataError",
    "Dataset",
    "Decision",
    "Detection",
    "Drift",
    "Energy",
    "Estimate",
    "Event",
    "Finding",
    "ImageFilter",
    "InputImage",
    "Item",
    "Ledger",
    "LedgerError",
    "ManifestStore",
    "MarkError",
    "Meter",
    "Model",
    "Monitor",
    "Observer",
    "OutputError",
    "Picture",
    "Pixels",
    "PluginError",
    "PolicyError",
    "Presence",
    "PromptFilter",
    "Reading",
    "Refiner",
    "Refused",
    "Registry",
    "Released",
    "Request",
    "RequestError",
    "Result",
    "Rewriter",
    "SDKError",
    "Sampler",
    "Seal",
    "SealError",
    "Settings",
    "Signer",
    "SigningCredential",
    "Studio",
    "TrainError",
    "Trainer",
    "Transform",
    "Verdict",
    "VerifyError",
    "Watch",
    "Watermark",
    "Worded",
    "do_not_train",
    "expected_answers",
    "findings_of",
    "hookimpl",
    "in_tiles",
    "lab_of",
    "media_type_of",
    "open_ledger",
    "plain",
    "read_manifests",
    "readings",
    "reserved",
    "write_whole",
]

_ROOMS = {
    "config": """
        open_ledger
    """,
    "data.signals": """
        do_not_train reserved
    """,
    "colour": """
        lab_of
    """,
    "durable": """
        write_whole
    """,
    "audits.drift": """
        Drift expected_answers
    """,
    "audits.estimates": """
        AttributeEstimator Confusion Estimate findings_of
    """,
    "audits.monitor": """
        Monitor
    """,
    "audits.sampling": """
        Sampler
    """,
    "energy": """
        Energy Meter
    """,
    "errors": """
        BackendError Cancelled DataError LedgerError MarkError OutputError PluginError
        PolicyError Refused RequestError SDKError SealError TrainError VerifyError
    """,
    "formats": """
        media_type_of
    """,
    "hookspecs": """
        Auditor Backend Dataset ImageFilter Observer PromptFilter Refiner Rewriter Signer Trainer
        Watermark hookimpl
    """,
    "inputs": """
        InputImage
    """,
    "keys": """
        SigningCredential
    """,
    "ledger": """
        Ledger
    """,
    "manifests": """
        ManifestStore read_manifests
    """,
    "markdown": """
        plain
    """,
    "phases": """
        Released Result
    """,
    "pipeline": """
        Studio
    """,
    "pixels": """
        Picture Pixels
    """,
    "reading": """
        Reading readings
    """,
    "registry": """
        Registry
    """,
    "request": """
        Request
    """,
    "tiling": """
        in_tiles
    """,
    "training": """
        Item
    """,
    "types": """
        Box Capabilities Claim Decision Detection Event Finding Model Presence Seal Settings
        JSON Transform Verdict Watch Worded
    """,
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load a public name's room on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'sdk' has no attribute {name!r}")
    value: object = getattr(import_module(f"sdk.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
