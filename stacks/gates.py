"""The gates that a template has to pass: each takes templates' texts by name and returns what is wrong with them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from stacks.catalog import rendered
from stacks.checkov_skips import SKIPS
from stacks.constants import TEMPLATE_BYTES_MAX
from stacks.invariants import findings
from stacks.yaml_text import from_yaml, to_yaml

ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = ROOT / "templates"
# checkov pins old versions of what everything else here needs in new ones, so it has an environment of its own.
CHECKOV_VARIABLE: Final = "CHECKOV"
CHECKOV: Final = ROOT / ".venv-checkov" / "bin" / "checkov"
_REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Fault:
    """What a gate found: in which template, by which rule, and what it says."""

    template: str
    rule: str
    message: str


# Templates' texts by name, as `gpu-cluster`.
Texts = Mapping[str, str]
Gate = Callable[[Texts], list[Fault]]


class GateError(Exception):
    """A gate could not run; the text says what to do."""


def check_size(texts: Texts) -> list[Fault]:
    """CloudFormation takes a template of this size inline."""
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    return [
        Fault(name, "size", f"{size:,} bytes are more than the {TEMPLATE_BYTES_MAX:,} that deploy without a bucket")
        for name, size in sizes.items()
        if size > TEMPLATE_BYTES_MAX
    ]


def check_invariants(texts: Texts) -> list[Fault]:
    """Our own invariants."""
    return [
        Fault(name, finding.logical_id, finding.message)
        for name, text in texts.items()
        for finding in findings(from_yaml(text))
    ]


def check_validate(texts: Texts) -> list[Fault]:
    """AWS's cloudformation-validate, where warnings count as errors."""
    import cloudformation_validate as validate  # type: ignore[import-untyped]

    faults = []
    for name, text in texts.items():
        content = validate.TemplateContent(text, name)
        report = _validate_engine().validate_template(content, validate.ValidateConfig(strict=True))
        faults += [
            Fault(name, each.rule_id, each.message)
            for each in report.diagnostics
            if each.severity in (validate.Severity.ERROR, validate.Severity.FATAL)
        ]
    return faults


def check_cfn_lint(texts: Texts) -> list[Fault]:
    """AWS's cfn-lint, errors and warnings."""
    from cfnlint.api import lint  # type: ignore[import-untyped]

    return [
        Fault(name, match.rule.id, match.message)
        for name, text in texts.items()
        for match in lint(text, rules=_cfn_lint_rules(), regions=[_REGION])
    ]


def check_checkov(texts: Texts) -> list[Fault]:
    """checkov, but for the checks in `SKIPS`. Raises `GateError`."""
    return [fault for fault in _run_checkov(texts) if fault.rule not in SKIPS]


def check_checkov_and_skips(texts: Texts) -> list[Fault]:
    """checkov over all templates, and that every skip is still needed. Raises `GateError`."""
    faults = _run_checkov(texts)
    unused = sorted(SKIPS.keys() - {fault.rule for fault in faults})
    return [
        *(fault for fault in faults if fault.rule not in SKIPS),
        *(Fault("checkov_skips.py", rule, "nothing needs this skip any more: drop it") for rule in unused),
    ]


def check_drift(texts: Texts) -> list[Fault]:
    """The committed templates are what the source renders."""
    wanted = {name: to_yaml(template) for name, template in rendered().items()}
    differing = sorted(name for name in wanted.keys() | texts.keys() if wanted.get(name) != texts.get(name))
    return [Fault(name, "drift", "is not what stacks/ renders: run `make templates`, commit it") for name in differing]


# From the cheapest to the most expensive; each judges a template by itself.
GATES: Final[dict[str, Gate]] = {
    "size": check_size,
    "invariants": check_invariants,
    "cloudformation-validate": check_validate,
    "cfn-lint": check_cfn_lint,
    "checkov": check_checkov,
}


@cache
def _validate_engine() -> Any:
    import cloudformation_validate as validate

    return validate.CelEngine()


@cache
def _cfn_lint_rules() -> Any:
    from cfnlint.config import ConfigMixIn  # type: ignore[import-untyped]
    from cfnlint.runner import Runner  # type: ignore[import-untyped]

    return Runner(ConfigMixIn(regions=[_REGION])).rules


def _run_checkov(texts: Texts) -> list[Fault]:
    checkov = Path(os.environ.get(CHECKOV_VARIABLE) or CHECKOV)
    if not checkov.exists():
        raise GateError(f"checkov is not installed at {checkov}: run `make lint`, which installs it there")
    with tempfile.TemporaryDirectory() as directory:
        for name, text in texts.items():
            (Path(directory) / f"{name}.yaml").write_text(text)
        options = ("--framework", "cloudformation", "--quiet", "--compact", "--skip-download", "--output", "json")
        done = subprocess.run(  # noqa: S603 - our own arguments
            [str(checkov), "--directory", directory, *options], capture_output=True, text=True, check=False
        )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise GateError(f"checkov ended with {done.returncode} and no report: {done.stderr[-500:]}") from None
    return [
        Fault(
            Path(each["file_path"]).stem, each["check_id"], f"{each['resource'].split('.')[-1]}: {each['check_name']}"
        )
        for each in report.get("results", {}).get("failed_checks", [])
    ]
