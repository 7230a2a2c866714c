"""Mends the picture that a request gives, as its prompt names: denoise, deblur, colourise.

    sdk generate "colourise, a red apple" --init grey.png --policy restore

No picture is drawn: the given one is changed by the networks of the refiners `denoise` and
`colourise`, under every control of the policy, and leaves as an edit with its original as parent.
"""

from __future__ import annotations

from sdk import Backend, Settings, hookimpl


@hookimpl
def backend(settings: Settings) -> Backend:
    """Make it; settings: `denoise` and `colourise` (names of models, or folders), `threads`."""
    from .parts import Restore

    return Restore(settings)
