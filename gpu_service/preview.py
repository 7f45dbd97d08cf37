"""A small picture of an unfinished one, cheap enough to make between two steps."""

import base64
import io
from typing import Any, Final

import torch
from PIL import Image

PREVIEW_SIDE_MAX_PX: Final = 128
JPEG_QUALITY: Final = 70

# How much of red, green and blue SDXL's four latent channels hold, and what their zero looks like:
# https://huggingface.co/blog/TimothyAlexisVass/explaining-the-sdxl-latent-space
_SDXL_CHANNELS: Final = ((60, 60, 60), (-60, -5, 10), (25, 15, -5), (-70, -50, -35))
_SDXL_ZERO: Final = (150, 140, 130)


def preview_of(pipeline: Any, latents: torch.Tensor) -> Image.Image:
    """The picture in `latents`, (1, 4, height, width), no side longer than `PREVIEW_SIDE_MAX_PX`.

    SDXL's own VAE takes too long for this and may be offloaded, so its latents are only mapped to colours.
    """
    with torch.no_grad():
        if type(pipeline.vae).__name__ == "AutoencoderTiny":
            decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor, return_dict=False)[0][0]
            rgb = (decoded.float() / 2 + 0.5) * 255
        else:
            channels = torch.tensor(_SDXL_CHANNELS, dtype=torch.float32)
            rgb = torch.einsum("lyx,lr->ryx", latents[0].float().cpu(), channels)
            rgb = rgb + torch.tensor(_SDXL_ZERO, dtype=torch.float32)[:, None, None]
        pixels = rgb.nan_to_num().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(pixels)
    picture.thumbnail((PREVIEW_SIDE_MAX_PX, PREVIEW_SIDE_MAX_PX))
    return picture


def as_text(picture: Image.Image) -> str:
    """The preview as the job record keeps it: a JPEG of a few kilobytes, in base64."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()
