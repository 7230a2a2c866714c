"""Tiny random diffusers pipelines, built offline once a session: the real classes, no training.

    def test_x(tiny_model):
        folder = tiny_model("sdxl")         # sd, sdxl, sd3, flux, dit, ddpm

They draw coloured mush of 32 or 64 pixels in a tenth of a second, which is all that is needed to
see whether every pipeline is driven as it should be.
"""

import json

import pytest
from small_words import encoder  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    pytest.importorskip("torch", reason="the generate extra is not installed")
    pytest.importorskip("diffusers", reason="the generate extra is not installed")
    import torch

    torch.set_num_threads(1)  # two threads on a busy core are 20 times slower than one
    home, built = tmp_path_factory.mktemp("tiny"), {}

    def build(name):
        if name not in built:
            torch.manual_seed(0)
            folder = home / name
            pipe = BUILDERS[name](home)
            for part in pipe.components.values():
                if isinstance(part, torch.nn.Module):
                    part.eval()
            pipe.save_pretrained(folder)
            _add_labels(folder)
            card = f"---\nmodel_name: tiny-{name}\nlicense: mit\nversion: '1'\n---\n"
            (folder / "README.md").write_text(card)
            built[name] = folder
        return built[name]

    return build


def _add_labels(folder):
    """Put class names where published DiT models have them; save_pretrained leaves them out."""
    index = json.loads((folder / "model_index.json").read_text())
    if index["_class_name"] == "DiTPipeline":
        index["id2label"] = {"0": "tench, Tinca tinca", "1": "goldfish", "2": "white shark"}
        (folder / "model_index.json").write_text(json.dumps(index))


def clip_tokenizer(home):
    from transformers import CLIPTokenizer

    folder = home / "clip_tokenizer"
    if not folder.exists():
        folder.mkdir()
        symbols = _byte_symbols()
        merges = [("r", "e"), ("re", "d</w>"), ("a", "p"), ("ap", "p"), ("l", "e</w>")]
        merges += [("app", "le</w>")]
        words = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges]
        words += ["<|startoftext|>", "<|endoftext|>"]
        vocab = {word: at for at, word in enumerate(dict.fromkeys(words))}
        (folder / "vocab.json").write_text(json.dumps(vocab))
        lines = "".join(f"{a} {b}\n" for a, b in merges)
        (folder / "merges.txt").write_text("#version: 0.2\n" + lines)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = 77
    return tokenizer


def _byte_symbols():
    """The 256 printable stand-ins for bytes of GPT-2's byte-pair encoding."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in kept] + [chr(256 + n) for n in range(256 - len(kept))]


def clip_text(tokenizer, projection=False):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=32,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def vae(latents=4, **more):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latents,
        sample_size=64,
        **more,
    )


def unet(channels=4, **more):
    from diffusers import UNet2DConditionModel

    settings = {
        "sample_size": 32,
        "in_channels": channels,
        "out_channels": 4,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
    }
    return UNet2DConditionModel(**(settings | more))


def ddim():
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
    )


def sd(home):
    from diffusers import StableDiffusionPipeline

    tokenizer = clip_tokenizer(home)
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_text(tokenizer),
        tokenizer=tokenizer,
        unet=unet(),
        scheduler=ddim(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd_inpaint(home):
    from diffusers import StableDiffusionInpaintPipeline

    parts = dict(sd(home).components) | {"unet": unet(channels=9)}
    return StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)


def sdxl(home):
    from diffusers import StableDiffusionXLPipeline

    tokenizer = clip_tokenizer(home)
    denoiser = unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,  # 6 sizes of 8 and the projection of 32
        cross_attention_dim=64,
    )
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip_text(tokenizer),
        text_encoder_2=clip_text(tokenizer, projection=True),
        tokenizer=tokenizer,
        tokenizer_2=clip_tokenizer(home),
        unet=denoiser,
        scheduler=ddim(),
        add_watermarker=False,
    )


def sd3(home):
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    tokenizer = clip_tokenizer(home)
    denoiser = SD3Transformer2DModel(
        sample_size=32,
        patch_size=1,
        in_channels=16,  # the inpainting class takes no other number
        out_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        pos_embed_max_size=64,
    )
    return StableDiffusion3Pipeline(
        transformer=denoiser,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae(latents=16, shift_factor=0.0609),
        text_encoder=clip_text(tokenizer, projection=True),
        tokenizer=tokenizer,
        text_encoder_2=clip_text(tokenizer, projection=True),
        tokenizer_2=clip_tokenizer(home),
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux(home):
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    tokenizer = clip_tokenizer(home)
    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters += [(chr(code), -3.0) for code in range(33, 127)]
    pieces = T5TokenizerFast(vocab=letters, extra_ids=0)
    pieces.model_max_length = 512
    reader = T5Config(
        vocab_size=len(pieces), d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2
    )
    denoiser = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae(shift_factor=0.0609),
        text_encoder=clip_text(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(reader),
        tokenizer_2=pieces,
        transformer=denoiser,
    )


def kontext(home):
    from diffusers import FluxKontextPipeline

    return FluxKontextPipeline(**flux(home).components)


def dit(home):
    from diffusers import DiTPipeline, DiTTransformer2DModel

    denoiser = DiTTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=4,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        num_embeds_ada_norm=1000,  # the pipeline has the null class 1000 built in
    )
    return DiTPipeline(transformer=denoiser, vae=vae(), scheduler=ddim())


def ddpm(home):
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    denoiser = UNet2DModel(
        sample_size=32,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    return DDPMPipeline(unet=denoiser, scheduler=DDPMScheduler())


def t5(home):
    """Tokenizer and text encoder, as Flux has them."""
    parts = flux(home).components
    return {"tokenizer": parts["tokenizer_2"], "text_encoder": parts["text_encoder_2"]}


def chroma(home):
    from diffusers import ChromaTransformer2DModel, FlowMatchEulerDiscreteScheduler

    denoiser = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        approximator_num_channels=64,
        approximator_hidden_dim=32,
        approximator_layers=1,
    )
    scheduler = FlowMatchEulerDiscreteScheduler()
    return {**t5(home), "transformer": denoiser, "scheduler": scheduler, "vae": vae(shift_factor=0)}


def auraflow(home):
    from diffusers import AuraFlowTransformer2DModel, FlowMatchEulerDiscreteScheduler

    denoiser = AuraFlowTransformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        out_channels=4,
        pos_embed_max_size=256,
    )
    scheduler = FlowMatchEulerDiscreteScheduler()
    return {**t5(home), "transformer": denoiser, "scheduler": scheduler, "vae": vae()}


def pixart(home):
    from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel

    denoiser = PixArtTransformer2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=24,
    )
    scheduler = DPMSolverMultistepScheduler()
    return {**t5(home), "transformer": denoiser, "scheduler": scheduler, "vae": vae()}


def lcm(home):
    from diffusers import LCMScheduler

    denoiser = unet(time_cond_proj_dim=32)
    return {**sd(home).components, "unet": denoiser, "scheduler": LCMScheduler()}


FAMILIES = {
    "sd": lambda home: sd(home).components,
    "sdxl": lambda home: sdxl(home).components,
    "sd3": lambda home: sd3(home).components,
    "flux": lambda home: flux(home).components,
    "chroma": chroma,
    "auraflow": auraflow,
    "pixart": pixart,
    "lcm": lcm,
}
"""Parts that several pipeline classes share."""


@pytest.fixture(scope="session")
def tiny_parts(tmp_path_factory):
    """A function that makes a pipeline of a class from the parts of a family."""
    import inspect

    import torch

    torch.set_num_threads(1)
    home, built = tmp_path_factory.mktemp("parts"), {}

    def make(cls, family, more):
        if family not in built:
            torch.manual_seed(0)
            built[family] = FAMILIES[family](home)
        wanted = inspect.signature(cls.__init__).parameters
        given = {name: built[family].get(name) for name in wanted if name in built[family]}
        for name in ("safety_checker", "feature_extractor", "image_encoder"):
            if name in wanted:
                given[name] = None
        if "requires_safety_checker" in wanted:
            given["requires_safety_checker"] = False
        if "add_watermarker" in wanted:
            given["add_watermarker"] = False
        for part in given.values():
            if isinstance(part, torch.nn.Module):
                part.eval()
        return cls(**given, **more)

    return make


BUILDERS = {
    "sd": sd,
    "sd_inpaint": sd_inpaint,
    "sdxl": sdxl,
    "sd3": sd3,
    "flux": flux,
    "kontext": kontext,
    "dit": dit,
    "ddpm": ddpm,
}
