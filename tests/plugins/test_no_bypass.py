"""Every text-to-image class of the installed diffusers goes through the gate, or draws nothing.

Two ways.  `Hollow` puts the class's own signature in front of a stand-in for its forward pass that
hands back what such a class could: pictures, latents, previews, tuples; it covers every class and
needs no weights.  The classes in BUILT run whole, on tiny random weights; docs/safety/no-bypass.md
says which do not, and why.
"""

import functools
import gc
import inspect

import numpy as np
import pytest

from sdk import BackendError, PluginError, Refused, Registry, Request, Studio, hookimpl
from sdk.ledger import Ledger
from sdk.policy import parse
from sdk.types import Finding

pytest.importorskip("diffusers", reason="the generate extra is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning"),  # diffusers on numpy 2
    pytest.mark.filterwarnings("ignore:.*FluxPosEmbed.*:FutureWarning"),  # diffusers' own import
]

NEEDS_PICTURES = {"image", "video", "mask_image", "source_prompt", "audio", "frames",
                  "control_image", "conditions"}  # fmt: skip
POLICY = """
name = "wrapped"
record = {personal = "none"}
unsafe_without = ["prompt_filters", "watermark", "signer"]
backend = {plugin = "mine"}
image_filters = [{plugin = "judge"}]
rules = [{id = "1", stage = "image", category = "seen", block = 0.5, reason = "it is seen"}]
observers = [{plugin = "witness"}]
"""


PAIRS = {"StableCascadeCombinedPipeline"}
"""Pipelines made of pipelines: there is nothing to hollow out, and they were not built."""


def text_to_image():
    """Classes that draw pictures from a prompt alone; pipelines that edit or film are not."""
    import diffusers

    found = []
    for name in sorted(n for n in dir(diffusers) if n.endswith("Pipeline") and "Auto" not in n):
        cls = getattr(diffusers, name)
        if not (inspect.isclass(cls) and issubclass(cls, diffusers.DiffusionPipeline)):
            continue
        takes = inspect.signature(cls.__call__).parameters
        draws = "images=" in inspect.getsource(inspect.getmodule(cls))
        if name in PAIRS:
            continue
        if "prompt" in takes and draws and not NEEDS_PICTURES & set(takes):
            found.append(cls)
    return found


class Judge:
    """An image filter that scores every picture, and remembers that it was asked."""

    categories = ("seen",)

    def __init__(self, score):
        self.score, self.asked = score, 0

    @hookimpl
    def image_filter(self, settings):
        return self

    def inspect(self, picture, request):
        self.asked += 1
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.ndim == 3
        return [Finding(category="seen", score=self.score)]


class Witness:
    """An observer, the only other part that hears from a running call."""

    def __init__(self):
        self.heard = []

    @hookimpl
    def observer(self, settings):
        return self

    def saw(self, event):
        self.heard.append(event)


class House:
    """A studio around one pipeline, with a judge and a witness."""

    def __init__(self, pipe, place, score=1.0):
        from sdk_backend_diffusion import wrap

        self.judge, self.witness, registry = Judge(score), Witness(), Registry()
        wrapped = wrap(pipe, width=64, height=64, truncate_prompts=True, device="cpu")
        for name, plugin in (("mine", wrapped), ("judge", self.judge), ("witness", self.witness)):
            registry.add(plugin, name)
        self.place = place
        ledger = Ledger.open(place / "ledger.db")
        self.studio = Studio(parse(POLICY), ledger, registry=registry)

    def draw(self):
        request = Request(prompt="a red apple", seed=1, steps=2)
        return self.studio.generate(request, to=self.place / "out.png")

    def check_nothing_left(self, error):
        assert not list(self.place.glob("out*"))
        assert not holds_pixels(error)
        for event in self.witness.heard:
            told = [event.kind, event.call, *event.detail.values()]
            assert all(isinstance(value, str) for value in told)
            assert isinstance(event.done, int)


def holds_pixels(error):
    """Whether an exception, or one behind it, carries an array, a tensor or a picture."""
    seen = []
    while error is not None:
        seen += [*error.args, *vars(error).values()]
        error = error.__cause__
    return [value for value in seen if hasattr(value, "shape") or hasattr(value, "getpixel")]


def hollow(cls, answer):
    """An object of the class, without parts, whose call records its arguments and answers."""
    from diffusers import DDIMScheduler

    asked = []

    @functools.wraps(cls.__call__)
    def call(self, *args, **kwargs):
        assert not args
        asked.append(kwargs)
        for _ in range(2):
            self.scheduler.set_timesteps(2)
        return answer(self)

    made = type(cls.__name__, (cls,), {"__call__": call, "__module__": cls.__module__})
    pipe = made.__new__(made)
    parts = [n for n in inspect.signature(cls.__init__).parameters if n not in ("self", "kwargs")]
    pipe.register_to_config(**dict.fromkeys(parts))
    for name in parts:
        setattr(pipe, name, None)
    pipe.scheduler = DDIMScheduler()
    made.components = property(lambda self: {"scheduler": self.scheduler})
    return pipe, asked


class Out:
    def __init__(self, images):
        self.images = images


def answers():
    import torch
    from PIL import Image

    return {
        "picture": lambda pipe: Out(torch.rand(1, 3, 64, 64)),
        "pil": lambda pipe: Out([Image.new("RGB", (64, 64), (9, 99, 9))]),
        "latents": lambda pipe: Out(torch.randn(1, 4, 8, 8)),
        "tuple": lambda pipe: (torch.rand(1, 3, 64, 64),),
    }


FORBIDDEN = ("callback", "latents", "return_dict", "prompt_embeds", "ip_adapter", "cross_attention")
"""Beginnings of arguments through which pictures could get out, or words get in unseen."""


@pytest.mark.parametrize("cls", text_to_image(), ids=lambda cls: cls.__name__)
def test_whatever_a_class_hands_back_meets_the_gate(cls, tmp_path):
    for name, answer in answers().items():
        pipe, asked = hollow(cls, answer)
        place = tmp_path / name
        place.mkdir()
        house = House(pipe, place)
        drawing = house.studio._parts.backend.part
        drawing._built["text-to-image"] = pipe  # not the plain class, which it would build anew
        with pytest.raises((Refused, BackendError)) as refused:
            house.draw()
        house.check_nothing_left(refused.value)
        assert asked, "the class was never called"
        given = asked[0]
        assert not [key for key in given if key.startswith(FORBIDDEN)]
        assert given.get("output_type", "pt") in ("pt", "np")
        is_picture = name in ("picture", "pil")
        assert isinstance(refused.value, Refused) is is_picture
        assert house.judge.asked == int(is_picture)


BUILT = {
    "AltDiffusionPipeline": ("sd", {}),
    "AuraFlowPipeline": ("auraflow", {}),
    "ChromaPipeline": ("chroma", {}),
    "FluxPipeline": ("flux", {}),
    "LatentConsistencyModelPipeline": ("lcm", {}),
    "PixArtAlphaPipeline": ("pixart", {}),
    "PixArtSigmaPAGPipeline": ("pixart", {"pag_applied_layers": "blocks.0"}),
    "PixArtSigmaPipeline": ("pixart", {}),
    "SemanticStableDiffusionPipeline": ("sd", {}),
    "StableDiffusion3PAGPipeline": ("sd3", {"pag_applied_layers": "blocks.0"}),
    "StableDiffusion3Pipeline": ("sd3", {}),
    "StableDiffusionModelEditingPipeline": ("sd", {}),
    "StableDiffusionPAGPipeline": ("sd", {}),
    "StableDiffusionPanoramaPipeline": ("sd", {}),
    "StableDiffusionPipeline": ("sd", {}),
    "StableDiffusionSAGPipeline": ("sd", {}),
    "StableDiffusionXLPAGPipeline": ("sdxl", {}),
    "StableDiffusionXLPipeline": ("sdxl", {}),
}
"""Class → family of parts, and what its constructor takes besides."""


@pytest.mark.parametrize("name", BUILT)
def test_a_class_on_tiny_weights_draws_only_through_the_gate(name, tmp_path, tiny_parts):
    import diffusers

    family, more = BUILT[name]
    pipe = tiny_parts(getattr(diffusers, name), family, more)
    house = House(pipe, tmp_path)
    with pytest.raises(Refused) as refused:
        house.draw()
    house.check_nothing_left(refused.value)
    assert house.judge.asked == 1
    assert [e.done for e in house.witness.heard if e.kind == "step"]
    allowed = House(tiny_parts(getattr(diffusers, name), family, more), tmp_path, score=0.0)
    assert allowed.draw().image.path.exists()
    gc.collect()


def test_every_class_that_is_built_is_a_text_to_image_class():
    assert set(BUILT) <= {cls.__name__ for cls in text_to_image()}


@pytest.mark.parametrize("wrong", [object(), None, "folder"])
def test_only_a_pipeline_is_wrapped(wrong):
    from sdk_backend_diffusion import wrap

    with pytest.raises(BackendError, match="no diffusers pipeline"):
        wrap(wrong)


def test_a_wrapped_pipeline_takes_only_known_settings(tiny_parts):
    import diffusers
    from sdk_backend_diffusion import wrap

    with pytest.raises(PluginError, match="unknown setting colour"):
        wrap(tiny_parts(diffusers.StableDiffusionPipeline, "sd", {}), colour=1)


def test_the_receipt_names_the_weights_that_were_wrapped(tiny_parts, tmp_path):
    import diffusers

    house = House(tiny_parts(diffusers.StableDiffusionPipeline, "sd", {}), tmp_path, score=0.0)
    house.draw()
    model = house.studio._parts.model
    assert len(model.sha256) == 64
    assert model.name == "StableDiffusionPipeline"
    other = House(tiny_parts(diffusers.StableDiffusionXLPipeline, "sdxl", {}), tmp_path)
    assert other.studio._parts.model.sha256 != model.sha256
