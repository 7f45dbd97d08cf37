"""What every contender is asked to make: small enough that what is around the pipeline shows."""

from typing import Final

STEPS: Final = 8
SIZE_PX: Final = 64
GUIDANCE: Final = 5.0
