"""Logging in with a one-time code, and out."""

from typing import Annotated, Literal

from pydantic import Field

from console.page.api.operation import Answer, Call, Input
from console.page.problems import Problem
from qos import __version__


class CodeInput(Input):
    """A one-time code, as ``autoqos page`` prints it."""

    code: Annotated[str, Field(min_length=1, max_length=200)]
    client: Literal["page", "api"] = "api"


def log_in(call: Call) -> Answer:
    """A token for a code."""
    sessions = call.service.sessions
    call.service.take_codes(call.tick_ns)
    wait_s = sessions.retry_after_s(call.tick_ns)
    token = sessions.redeem(call.body.code, call.body.client, call.tick_ns)
    if token is None and wait_s is not None:  # a right code is let in all the same: nobody can lock the owner out
        raise Problem(429, f"too many wrong codes: try again in {wait_s} s", headers={"Retry-After": str(wait_s)})
    if token is None:
        raise Problem(403, "this code is wrong, used or older than a minute: `autoqos page` gives a new one")
    return Answer({"token": token, "writable": call.service.writable, "version": __version__}, 201)


def log_out(call: Call) -> Answer:
    """The token buys nothing any more."""
    call.service.sessions.end(call.headers.get("authorization", "").partition(" ")[2].strip())
    return Answer(status=204)
