"""The gates around the invariants, and the proof that mutants give."""

from typing import Any

import pytest

from stacks import gates, lint
from stacks.checkov_skips import SKIPS
from stacks.mutants import __main__ as mutants
from stacks.mutants.bases import bases
from stacks.mutants.catalogue import MUTANTS
from stacks.mutants.ecs_faults import UNSEEN_BY_LINTERS
from stacks.mutants.mutant import Mutant, put
from stacks.yaml_text import to_yaml

Templates = dict[str, dict[str, Any]]


def test_size_gate_stops_what_does_not_deploy_inline() -> None:
    (fault,) = gates.check_size({"large": "x" * 51_201, "fits": "x" * 51_200})
    assert fault.template == "large"


def test_drift_gate_names_the_template_that_differs(templates: Templates) -> None:
    texts = {name: to_yaml(template) for name, template in templates.items()}
    assert gates.check_drift(texts) == []
    texts["api"] = texts["api"].replace("Timeout: 29", "Timeout: 28")
    assert [fault.template for fault in gates.check_drift(texts)] == ["api"]


def test_validate_gate_takes_warnings_for_errors(templates: Templates) -> None:
    assert gates.check_validate({"api": to_yaml(templates["api"])}) == []
    unused = "Parameters:\n  Unused: {Type: String}\nResources:\n  Topic: {Type: 'AWS::SNS::Topic'}\n"
    assert [fault.rule for fault in gates.check_validate({"unused": unused})] == ["W2001"]


def test_checkov_gate_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gates.CHECKOV_VARIABLE, "/nowhere/checkov")
    with pytest.raises(gates.GateError, match="make lint"):
        gates.check_checkov({})


def test_lint_fails_when_a_gate_finds_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = gates.Fault("api", "E1", "is wrong")
    monkeypatch.setattr(lint, "_GATES", {"good": lambda texts: [], "bad": lambda texts: [fault]})
    monkeypatch.setattr("sys.argv", ["lint"])
    assert lint.main() == 1
    assert "api: E1: is wrong" in capsys.readouterr().out


def test_every_skip_has_a_reason() -> None:
    assert all(len(reason.split()) > 5 and reason.endswith(".") for reason in SKIPS.values())


def test_a_skip_that_nothing_needs_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    needed, *unused = SKIPS
    monkeypatch.setattr(gates, "_run_checkov", lambda texts: [gates.Fault("api", needed, "")])
    assert {fault.rule for fault in gates.check_checkov_and_skips({})} == set(unused)


def test_there_are_mutants_enough_and_none_twice() -> None:
    assert len(MUTANTS) >= 60
    assert len({(mutant.base, mutant.name) for mutant in MUTANTS}) == len(MUTANTS)


def test_what_linters_do_not_see_is_among_the_mutants() -> None:
    assert len(UNSEEN_BY_LINTERS) == 14
    assert set(UNSEEN_BY_LINTERS) <= {mutant.name for mutant in MUTANTS}


def test_invariants_catch_what_linters_do_not_see() -> None:
    sound = bases()
    texts = {
        mutant.name: to_yaml(mutant.apply(sound[mutant.base])) for mutant in MUTANTS if mutant.name in UNSEEN_BY_LINTERS
    }
    assert {fault.template for fault in gates.check_invariants(texts)} == set(UNSEEN_BY_LINTERS)


def test_a_mutant_that_changes_nothing_is_refused() -> None:
    unchanged = Mutant("none", "api", "nothing", put("Function/Timeout", 29))
    with pytest.raises(ValueError, match="is the sound template"):
        unchanged.apply(bases()["api"])


@pytest.fixture
def few_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = {"invariants": gates.check_invariants, "checkov": lambda texts: []}
    monkeypatch.setattr(mutants, "GATES", cheap)
    monkeypatch.setattr("sys.argv", ["mutants"])


@pytest.mark.usefixtures("few_gates")
def test_mutants_fail_when_one_gets_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    caught = Mutant("api", "api", "too slow", put("Function/Timeout", 60))
    harmless = Mutant("api", "api", "another description", put("/Description", "Something else."))
    monkeypatch.setattr(mutants, "MUTANTS", (caught,))
    assert mutants.main() == 0
    monkeypatch.setattr(mutants, "MUTANTS", (caught, harmless))
    assert mutants.main() == 1
    assert "NOT CAUGHT: api: another description" in capsys.readouterr().out


@pytest.mark.usefixtures("few_gates")
def test_mutants_fail_when_a_sound_template_is_accused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = {"api": bases()["api"]}
    put("Function/Timeout", 60)(sound["api"])
    monkeypatch.setattr(mutants, "bases", lambda: sound)
    monkeypatch.setattr(mutants, "MUTANTS", ())
    assert mutants.main() == 1
    assert "SOUND, BUT ACCUSED: api" in capsys.readouterr().out
