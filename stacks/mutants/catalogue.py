"""All mutants."""

from typing import Final

from stacks.mutants import ecs_faults, other_faults, phase_1_faults, watching_faults

MUTANTS: Final = (*phase_1_faults.MUTANTS, *ecs_faults.MUTANTS, *other_faults.MUTANTS, *watching_faults.MUTANTS)
