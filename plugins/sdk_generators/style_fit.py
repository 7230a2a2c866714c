"""Fits the feed-forward style network to the bundled style pictures, or to yours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sdk import Dataset, Pixels, TrainError, Watch

from .fits import OneNetwork
from .folder import bundled
from .leave import write_network
from .material import Batch, chosen, scaled
from .recipe import Recipe
from .style_loss import Losses, smoothness
from .style_network import Shape, Styler
from .style_optimise import to_tensor
from .style_pictures import PICTURES

_EXAMPLE = 192
"""Side of a style picture; its strokes come out in the size that they have there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleRecipe(Recipe):
    """What the style trainer adds; captions play no part."""

    side: int = 64
    batch: int = 8
    learning_rate: float = 5e-3
    styles: tuple[str, ...] = tuple(PICTURES)
    """Bundled names, or picture files whose stem becomes the style's name."""
    width: int = 12
    content: float = 0.3
    """Weight of content beside style."""
    smooth: float = 0.5
    encoder: str = ""
    """A diffusers VAE folder; empty is the starter's."""


class Canvases:
    """Pictures without words."""

    encoder_sha256 = ""

    def __init__(self, dataset: Dataset, folder: Path, recipe: StyleRecipe, watch: Watch) -> None:
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        small = np.stack([scaled(e.pixels, recipe.side) for e in self.examples])
        self._pictures = torch.from_numpy(small).permute(0, 3, 1, 2)
        weights = np.array([e.weight for e in self.examples])
        self._weights = weights / weights.sum()
        self._rng = np.random.default_rng(recipe.seed)

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._rng = np.random.default_rng(seed)

    def draw(self, batch: int) -> Batch:
        """Pictures in other brightness and colour each time: the network shall meet photographs."""
        picked = torch.from_numpy(self._rng.choice(len(self._weights), batch, p=self._weights))
        x = self._pictures[picked].float() / 127.5 - 1
        gain, shift = torch.rand(batch, 3, 1, 1) * 0.8 + 0.4, torch.rand(batch, 3, 1, 1) - 0.5
        return Batch((x * gain + shift * 0.6).clamp(-1, 1), torch.zeros(batch, 0))

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """Pictures to show the styles on, one for each prompt: (B, 3, side, side) -1..1."""
        places = np.linspace(0, len(self.examples) - 1, len(prompts)).astype(int)
        return self._pictures[torch.from_numpy(places)].float() / 127.5 - 1


class StyleFit(OneNetwork):
    """One network, one optimiser, the looks of all styles."""

    about = "A feed-forward style network: a picture and a style's name to a picture."

    def __init__(self, recipe: StyleRecipe) -> None:
        self._recipe = recipe
        examples = dict(style_picture(name) for name in recipe.styles)
        self._losses = Losses(
            Path(recipe.encoder) if recipe.encoder else bundled("starter") / "vae"
        )
        self._looks = [self._losses.look(to_tensor(p)) for p in examples.values()]
        network = Styler(Shape(styles=tuple(examples), width=recipe.width)).train()
        optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate)
        super().__init__(network, optimiser, recipe.ema)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """One style a step: its Gram matrices are of one picture."""
        number = int(torch.randint(len(self._looks), (1,)))
        which = torch.full((len(batch.pictures),), number)
        drawn = self.network(batch.pictures, which)
        content = self._losses.content(batch.pictures)
        near, far = self._losses.distances(drawn, self._looks[number], content)
        loss = near + self._recipe.content * far + self._recipe.smooth * smoothness(drawn)
        self._step(loss, rate)
        return {"loss": loss.item(), "style": near.item(), "content": far.item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Each picture in the next style."""
        which = torch.arange(len(words)) % len(self._looks)
        drawn: torch.Tensor = self._average.network(words, which)
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights, for the backend and refiner `style`."""
        index = {"_class_name": "FeedForwardStyle", **asdict(self.network.shape)}
        write_network(folder, index, self._average.network.state_dict(), "style", encoder_sha256)


def style_picture(name: str) -> tuple[str, Pixels]:
    """A bundled style picture by name, or a file's: (name, (192, 192, 3) uint8).

    Raises:
        TrainError: neither.
    """
    if name in PICTURES:
        return name, PICTURES[name](_EXAMPLE)
    path = Path(name).expanduser()
    try:
        with Image.open(path) as opened:
            found = opened.convert("RGB").resize((_EXAMPLE, _EXAMPLE), Image.Resampling.LANCZOS)
    except (OSError, ValueError) as exc:
        raise TrainError(
            f"asked for the style {path.name!r}, found {type(exc).__name__}; give one of "
            f"{', '.join(PICTURES)}, or a picture file"
        ) from exc
    return path.stem, np.asarray(found)
