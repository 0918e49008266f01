"""The two directions of traffic, as this computer sees them."""

from typing import Final, Literal

Direction = Literal["down", "up"]
DIRECTIONS: Final[tuple[Direction, Direction]] = ("down", "up")
