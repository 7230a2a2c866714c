"""How much a VAE loses: PSNR and SSIM of pictures that were encoded and decoded again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk.errors import DataError
from sdk.pixels import Pixels
from sdk.types import Watch

_AT_ONCE = 16
_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fidelity:
    """What came back."""

    psnr_db: float
    """Mean over pictures."""
    psnr_low_db: float
    """The worst twentieth is below."""
    ssim: float
    count: int
    pixels: NDArray[np.uint8]
    """(N, side, side, 3), what came back."""


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all channels, peak 255; infinite when equal."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def ssim(one: Pixels, other: Pixels) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13), Gaussian window of 11, sigma 1.5.

    Mean of the three channels over the inner pixels that the window covers wholly.
    """
    from scipy.ndimage import gaussian_filter1d

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis in (0, 1):
            values = gaussian_filter1d(values, _SIGMA, axis=axis, radius=_RADIUS)
        return values

    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    both = smooth(a * b) - mean_a * mean_b
    likeness = ((2 * mean_a * mean_b + _C1) * (2 * both + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
    )
    inner = likeness[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    return float(inner.mean())


def fidelity(
    pictures: NDArray[np.uint8],
    back: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    watch: Watch,
) -> Fidelity:
    """Encode and decode (N, side, side, 3) with `back`, and compare."""
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        watch.step(start, len(pictures))
        parts.append(back(pictures[start : start + _AT_ONCE]))
    returned = np.concatenate(parts)
    ratios = [psnr(a, b) for a, b in zip(pictures, returned, strict=True)]
    return Fidelity(
        psnr_db=float(np.mean(ratios)),
        psnr_low_db=float(np.percentile(ratios, 5)),
        ssim=float(np.mean([ssim(a, b) for a, b in zip(pictures, returned, strict=True)])),
        count=len(pictures),
        pixels=returned,
    )


def diffusers_vae(folder: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """The round trip through `folder/vae`: the posterior's mean, decoded, rounded to 8 bits.

    Raises:
        DataError: diffusers is missing, or there is no such VAE.
    """
    try:
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained(
            folder / "vae", torch_dtype=torch.float32, local_files_only=True
        ).eval()
    except ImportError as exc:
        raise DataError("asked to measure a VAE, found no diffusers; install [generate]") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        raise DataError(f"asked for the vae of {folder}, found {exc}; give its folder") from exc

    def back(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        given = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            latents = vae.encode(given / 127.5 - 1).latent_dist.mean
            found = vae.decode(latents).sample.clamp(-1, 1)
        rounded = ((found + 1) * 127.5).round().byte()
        whole: NDArray[np.uint8] = rounded.permute(0, 2, 3, 1).numpy()
        return whole

    return back
