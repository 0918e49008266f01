"""The shapes of the API's answers, from which their schemas in ``/openapi.json`` are made. Nothing is checked at run
time: the tests hold every answer against them. Rates are bits per second, ``_ms`` UTC milliseconds or durations."""

from pydantic import ConfigDict, with_config

closed = with_config(ConfigDict(extra="forbid"))
"""No key but those that are named."""
