"""Mends pictures: takes noise and blur away, gives grey pictures colours.

    sdk generate "denoise" --init old.png --policy restore
    sdk generate "colourise, a red apple" --init grey.png --policy restore

`restore` is the backend of that policy; `denoise` and `colourise` are refiners, and the trainers of
the two networks.  docs/training/restorers.md has what was measured.
"""
