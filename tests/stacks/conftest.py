"""The rendered templates, once for all tests of this folder."""

from typing import Any

import pytest

from stacks.catalog import rendered
from stacks.template_view import TemplateView


@pytest.fixture(scope="session")
def templates() -> dict[str, dict[str, Any]]:
    return rendered()


@pytest.fixture(scope="session")
def gpu_cluster(templates: dict[str, dict[str, Any]]) -> TemplateView:
    return TemplateView(templates["gpu-cluster"])
