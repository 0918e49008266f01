"""``quota:`` of the settings: a data volume per month, of the whole computer or of one application."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from qos.contract.units import Size


class QuotaConfig(BaseModel):
    """One volume that should not be used up. Bytes of both directions count."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=False, defer_build=True)

    volume: Size
    """Bytes a month."""
    start_day: Annotated[int, Field(ge=1, le=31)] = 1
    """Day of the month on which it begins anew, at local midnight; the last day where a month is shorter."""
    app: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """An application's name as the views show it; None: the whole computer."""

    @field_validator("volume")
    @classmethod
    def _more_than_nothing(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("must be more than zero")
        return value
