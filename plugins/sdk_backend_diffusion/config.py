"""The settings of the diffusion backend: every key, its type, its default and its check."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sdk import PluginError, Settings

DTYPES = ("auto", "float32", "float16", "bfloat16")
_LOWEST = {"threads": 0, "steps": 0, "width": 0, "height": 0, "max_side": 0, "max_batch": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a policy may say about the diffusion backend.

    Raises:
        PluginError: a key is unknown, or a value has the wrong type or range.
    """

    model: str = "starter"
    """`starter` (embedded), a diffusers folder, or a hub id such as `org/name`."""
    revision: str = ""
    """Branch, tag or commit of a hub id; empty is `main`."""
    variant: str = ""
    """Weight variant, such as `fp16`; empty loads the plain files."""
    allow_download: bool = False
    """Fetch a hub id that is not in the local cache; HF_HUB_OFFLINE=1 wins over this."""
    cache_dir: str = ""
    """Folder of the hub cache; empty is the hub client's own."""
    device: str = "auto"
    """`auto` (cuda, mps, xpu, cpu: the first there is), or one of them, with `:1` for an index."""
    dtype: str = "auto"
    """`auto` (see `devices.choose_dtype`), float32, float16 or bfloat16."""
    threads: int = 0
    """Threads of one CPU operation; 0 leaves OMP_NUM_THREADS or takes the cores we may use."""
    steps: int = 0
    """Steps when the request names none; 0 asks the model."""
    guidance_scale: float | None = None
    """Guidance when the request names none; None asks the model."""
    true_cfg_scale: float | None = None
    """Second guidance of distilled pipelines (Flux, Qwen-Image); above 1 enables negatives."""
    scheduler: str = ""
    """Scheduler class when the request names none; empty is the model's own."""
    width: int = 0
    """Native width in pixels; 0 computes it from the model."""
    height: int = 0
    max_side: int = 0
    """Longest side in pixels; 0 is what the model says, or 4096."""
    max_batch: int = 4
    """Pictures drawn together; lower it when memory runs out."""
    licence: str = ""
    """Licence of the weights, when the model card is silent or wrong."""
    lora_folder: str = ""
    """When set, requests name LoRA files inside this folder only."""
    truncate_prompts: bool = False
    """Draw what fits of a prompt longer than the text encoder reads, instead of refusing it."""
    unsafe_load_pickle: bool = False
    """Load .bin/.pt weights: opening a pickle runs whatever code its author put in."""
    unsafe_ignore_prompt: bool = False
    """Let an unconditional model draw although it cannot know what was asked."""

    @classmethod
    def of(cls, settings: Settings) -> Config:
        """Read settings as a policy gives them; an unknown key is an error that names it."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, settings.keys() - known)):
            raise PluginError(
                f"diffusion: asked for unknown setting {', '.join(unknown)}; "
                f"the settings are {', '.join(sorted(known))}"
            )
        return cls(**settings)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not _fits(value, str(field.type)):
                raise PluginError(
                    f"diffusion: asked for {field.name} = {value!r}, a {type(value).__name__}; "
                    f"give {field.type}"
                )
        for name, low in _LOWEST.items():
            if getattr(self, name) < low:
                raise PluginError(
                    f"diffusion: asked for {name} = {getattr(self, name)}; "
                    f"give a whole number from {low}"
                )
        for name in ("guidance_scale", "true_cfg_scale"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 100:
                raise PluginError(f"diffusion: asked for {name} = {value}; give a number 0..100")
        if not self.model.strip():
            raise PluginError("diffusion: asked for model = ''; give starter, a folder or a hub id")
        if self.dtype not in DTYPES:
            raise PluginError(
                f"diffusion: asked for dtype = {self.dtype!r}; give one of {', '.join(DTYPES)}"
            )


def _fits(value: object, annotation: str) -> bool:
    if annotation == "float | None":
        return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    if annotation == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool}[annotation])
