"""What a second of work costs, by kind of device: on-demand list prices of AWS in us-east-1."""

from typing import Final

SECONDS_PER_HOUR: Final = 3600

# Dollars an hour. cuda: one g4dn.xlarge. cpu: the Fargate task, $144 a month of 720 h.
DOLLARS_PER_HOUR: Final = {"cuda": 0.526, "cpu": 144 / 720}


def cost_dollars(device: str, seconds: float) -> float | None:
    """What `seconds` on a device cost, to a millionth of a dollar; None if the kind of device has no price here."""
    price = DOLLARS_PER_HOUR.get(device)
    return None if price is None else round(price * seconds / SECONDS_PER_HOUR, 6)
