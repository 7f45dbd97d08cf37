"""Check of the machine image: a host with the wrong one starts, and never joins the cluster."""

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws_errors import code_of
from gameforge.doctor.result import Mark, Result

NAME: Final = "machine image"
# In the name of each of AWS's ECS-optimized GPU images.
_ECS_GPU: Final = "ecs-gpu"


def machine_image(ssm: Any, ec2: Any, parameter: str) -> Iterator[Result]:
    """Whether the parameter leads to an image that is there and is made for ECS on GPUs."""
    try:
        image_id = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        fix = "set GpuAmi under [gpu-cluster] in deploy.toml to a parameter of this region, or choose another region"
        yield Result(NAME, Mark.FAIL, f"this region has no parameter {parameter}", fix)
        return
    try:
        found = ec2.describe_images(ImageIds=[image_id])["Images"]
    except ClientError as error:
        if code_of(error) not in ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"):
            raise
        found = []
    name = found[0].get("Name", "") if found else ""
    fix = "set GpuAmi under [gpu-cluster] in deploy.toml to a parameter that holds the id of an ECS-optimized GPU image"
    if not found or found[0]["State"] != "available":
        yield Result(NAME, Mark.FAIL, f"{parameter} says {image_id}, and there is no such image", fix)
    elif _ECS_GPU not in name:
        yield Result(NAME, Mark.WARN, f"{image_id} is {name or 'unnamed'}: not known to be an ECS GPU image", fix)
    else:
        yield Result(NAME, Mark.PASS, f"{image_id}, {name}")
