"""Pictures as files, with the parameters that made them inside."""

import io
from typing import Any, Final

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from jobs.request import Generation, OutputFormat

# What AUTOMATIC1111 calls the PNG text; its tools and others look for it there.
PNG_KEY: Final = "parameters"
WEBP_QUALITY: Final = 90
JPEG_QUALITY: Final = 92
# EXIF says in front of a comment how it is written; AUTOMATIC1111's readers take this form.
_COMMENT_ENCODING: Final = b"UNICODE\0"


def parameters_text(request: Generation, *, image: int, sampler: str, model: str) -> str:
    """How picture number `image` was made, in the form of AUTOMATIC1111's infotext."""
    fields = {
        "Steps": request.num_inference_steps,
        "Sampler": sampler,
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": request.image_seed(image),
        "Size": f"{request.width}x{request.height}",
        "Model": model,
        # It counts from the last layer, of which SDXL never uses the output: 2 is what goes without saying.
        **({"Clip skip": request.clip_skip + 2} if request.clip_skip else {}),
        "RNG": "CPU",
        "Version": "GameForge SDXL",
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in fields.items())])


def encode(pixels: "np.ndarray[Any, np.dtype[np.uint8]]", output_format: OutputFormat, text: str) -> bytes:
    """The file of a picture, height x width x 3, with `text` inside: as PNG text, or as EXIF user comment."""
    picture = Image.fromarray(pixels)
    buffer = io.BytesIO()
    match output_format:
        case OutputFormat.PNG:
            info = PngInfo()
            info.add_text(PNG_KEY, text)
            picture.save(buffer, "PNG", pnginfo=info)
        case OutputFormat.WEBP:
            picture.save(buffer, "WEBP", quality=WEBP_QUALITY, exif=_exif(text))
        case OutputFormat.JPEG:
            picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, exif=_exif(text))
    return buffer.getvalue()


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    comment = _COMMENT_ENCODING + text.encode("utf-16-be")
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: comment}
    return exif
