"""Fits a LoRA to a folder of pictures whose owner allowed it, for a model that draws.

    sdk train lora --data photos --set start=models/starter --set steps=400 -o run
    sdk generate "a mug, mara style" --lora run/export

Low-rank updates of the attention layers (Hu et al. 2021, arXiv:2106.09685) by peft; what is left
is `pytorch_lora_weights.safetensors`, which diffusers loads.  Every picture needs a consent whose
scope names `lora` (sdk_dataset_folder.consent); one that lacks it stops the run before it begins.
"""

from __future__ import annotations

from pathlib import Path

from sdk import Dataset, Settings, Trainer, Watch, hookimpl


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_trainer_lora.fit.LoraRecipe`."""
    from sdk_generators.run import Fitting

    from .allowed import Allowed
    from .fit import LoraFit, LoraRecipe

    made: list[Allowed] = []

    def read(dataset: Dataset, folder: Path, recipe: LoraRecipe, watch: Watch) -> Allowed:
        made[:] = [Allowed(dataset, folder, recipe, watch)]
        return made[0]

    recipe = LoraRecipe(**settings)  # type: ignore[arg-type]
    return Fitting(recipe, lambda recipe: LoraFit(recipe, made[0]), read)
