"""Invariants of the image build: its machine exists, has room for a CUDA image, and may run Docker."""

from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.template_view import TemplateView, is_true

# CodeBuild's machines with 128 GB of disk or more; the small one has 64, too few for the layers of a CUDA image.
_MACHINES: Final = frozenset(
    {"BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE", "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE"}
)


def build_can_run_docker(view: TemplateView) -> Iterator[Finding]:
    """A build that calls Docker is privileged, on a machine that is large enough."""
    for project in view.of_type("CodeBuild::Project"):
        if "docker" not in str(project.at("Source", "BuildSpec")):
            continue
        machine = project.at("Environment", "ComputeType")
        if machine not in _MACHINES:
            yield Finding(project.logical_id, f"{machine} has no room for a CUDA image: use BUILD_GENERAL1_MEDIUM")
        if not is_true(project.at("Environment", "PrivilegedMode")):
            yield Finding(project.logical_id, "Docker does not start in the build: set PrivilegedMode to true")


INVARIANTS: Final = (build_can_run_docker,)
