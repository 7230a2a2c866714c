"""Fits a miniature CLIP: pictures and captions to vectors whose cosine says whether they belong.

    sdk train clip --data data/icons --set minutes=60
    sdk evaluate data/icons -o report --clip run/export

Radford et al. 2021 (arXiv:2103.00020) at the size of a laptop: open_clip's own modified ResNet and
text transformer, so that what is exported opens with
`open_clip.create_model_and_transforms("local-dir:run/export")` and no code of ours.
docs/training/clip.md has what was measured.
"""

from __future__ import annotations

from pathlib import Path

from sdk import Dataset, Settings, Trainer, Watch, hookimpl


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_trainer_clip.fit.ClipRecipe`."""
    from sdk_generators.run import Fitting

    from .fit import ClipFit, ClipRecipe
    from .pairs import Captioned

    made: list[Captioned] = []

    def read(dataset: Dataset, folder: Path, recipe: ClipRecipe, watch: Watch) -> Captioned:
        made[:] = [Captioned(dataset, folder, recipe, watch)]
        return made[0]

    # The text tower's size is known when the captions are.
    recipe = ClipRecipe(**settings)  # type: ignore[arg-type]
    return Fitting(recipe, lambda recipe: ClipFit(recipe, made[0]), read)
