"""A picture's file says how it was made, in the form that other tools read."""

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from gpu_service.encoding import encode, parameters_text
from jobs.request import Generation, OutputFormat, Scheduler


def made_by(**fields: Any) -> Generation:
    defaults = {"prompt": "ein Schwert, grün ✨", "negative_prompt": "blurry", "width": 96, "height": 64, "seed": 7}
    return Generation.model_validate({**defaults, **fields})


def parameters_in(file: bytes) -> str:
    picture = Image.open(io.BytesIO(file))
    if picture.format == "PNG":
        text: str = picture.info["parameters"]
        return text
    comment = picture.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.startswith(b"UNICODE\0")
    return str(comment[8:].decode("utf-16-be"))


def test_the_parameters_stand_in_the_form_of_automatic1111() -> None:
    request = made_by(scheduler=Scheduler.DPMPP_2M_KARRAS, clip_skip=1, guidance_scale=6.5)
    text = parameters_text(request, image=2, sampler="DPM++ 2M Karras", model="tiny")
    prompt, negative, fields = text.split("\n")
    assert (prompt, negative) == ("ein Schwert, grün ✨", "Negative prompt: blurry")
    # The pattern with which AUTOMATIC1111 itself takes the line apart.
    found = dict(re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', fields))
    assert found == {
        "Steps": "25",
        "Sampler": "DPM++ 2M Karras",
        "CFG scale": "6.5",
        "Seed": "9",
        "Size": "96x64",
        "Model": "tiny",
        "Clip skip": "3",
        "RNG": "CPU",
        "Version": "GameForge SDXL",
    }


@pytest.mark.parametrize("output_format", OutputFormat)
def test_every_format_carries_the_parameters(output_format: OutputFormat) -> None:
    request = made_by(output_format=output_format)
    text = parameters_text(request, image=0, sampler="Euler", model="tiny")
    gradient = np.linspace(0, 255, 64 * 96 * 3).astype(np.uint8).reshape(64, 96, 3)

    file = encode(gradient, output_format, text)

    picture = Image.open(io.BytesIO(file))
    assert (Image.MIME[picture.format or ""], picture.size) == (output_format.content_type, (96, 64))
    assert parameters_in(file) == text
    assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - gradient).max() < (
        1 if output_format is OutputFormat.PNG else 40
    )
