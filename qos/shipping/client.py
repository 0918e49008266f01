"""The one module that imports influxdb_client: writes line protocol, runs InfluxQL, turns every answer into an outcome.

``write`` uses the client's SYNCHRONOUS mode without its retries (the outbox has its own) and never raises for what a
server may do. The body is compressed here at level 1: the client's own gzip is level 9, which costs several times the
CPU for a few per cent.

A credential ``name:password`` is a v1 account and uses ``/write``, which InfluxDB 1.x and 2.x have; a token uses
``/api/v2/write``, which InfluxDB 2.x, 3.x, Cloud and VictoriaMetrics have. A v2 token's text cannot be chosen, an
account's can: that is what lets ``autoqos stack init`` write a complete ``.env`` (docs/decisions/0032).
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from pydantic import SecretStr
from urllib3.exceptions import HTTPError, ReadTimeoutError

from qos.contract.config import InfluxConfig
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.shipping.outcomes import BadLines, Denied, Ok, Retry, TooLarge, WriteOutcome, outcome_of
from qos.shipping.settings import NO_TOKEN
from qos.system import clock

_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """One series of an InfluxQL answer. Times are integers, nanoseconds."""

    name: str
    tags: Mapping[str, str]
    columns: tuple[str, ...]
    values: Sequence[Sequence[Any]]


class InfluxClient:
    """One server, one bucket. ``bucket`` may be ``database/retention-policy``. Not for several threads at once."""

    def __init__(self, settings: InfluxConfig, token: SecretStr | None) -> None:
        if token is None:
            raise ConfigError(NO_TOKEN)
        secret = token.get_secret_value()
        self._settings = settings
        self._account = ":" in secret
        database, _, policy = settings.bucket.partition("/")
        self._database = {"db": database} | ({"rp": policy} if policy else {})
        self._client = InfluxDBClient(
            settings.url, secret, org=settings.org, timeout=settings.timeout // 10**6, ssl_ca_cert=settings.ca
        )
        self._api = self._client.api_client
        self._writes = self._client.write_api(write_options=SYNCHRONOUS)
        if self._account:
            self._api.set_default_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode("ascii"))

    @property
    def address(self) -> str:
        """The server's, for messages."""
        return self._settings.url

    def write(self, lines: Sequence[str]) -> WriteOutcome:
        """Send line protocol (nanoseconds). Every failure is an outcome."""
        body = gzip.compress("\n".join(lines).encode(), _LEVEL)
        self._api.set_default_header("Content-Encoding", "gzip")
        try:
            if self._account:
                query = [*self._database.items(), ("precision", "ns")]
                self._api.call_api(
                    "/write", "POST", query_params=query, body=body, header_params={"Content-Type": "text/plain"}
                )
            else:
                self._writes.write(self._settings.bucket, self._settings.org, body, write_precision="ns")
        except ApiException as error:
            return self._refused(error)
        except (HTTPError, OSError) as error:
            return _no_answer(error)
        finally:
            self._api.default_headers.pop("Content-Encoding", None)
        return Ok()

    def query(self, statement: str) -> list[ResultSeries]:
        """Run one InfluxQL statement. Raises StoreUnavailable, ConfigError (denied) or ValueError (not understood)."""
        try:
            answer = self._api.call_api(
                "/query",
                "POST",
                query_params=[*self._database.items(), ("epoch", "ns")],
                post_params=[("q", statement)],
                header_params={"Content-Type": "application/x-www-form-urlencoded"},
                _preload_content=False,
                _return_http_data_only=True,
            )
            document = json.loads(answer.data)
        except ApiException as error:
            outcome = self._refused(error)
            if isinstance(outcome, BadLines | TooLarge):
                raise ValueError(f"{statement}: {outcome.reason}") from None
            raise raised(self.address, outcome) from None
        except (HTTPError, OSError) as error:
            raise raised(self.address, _no_answer(error)) from None
        except ValueError:
            raise StoreUnavailable(f"{self.address}: /query answers with something that is not JSON") from None
        if "database not found" in answer.data.decode(errors="replace"):
            # What 2.x says to an account that may write the bucket but not read it, too.
            raise ConfigError(
                f"InfluxDB at {self.address} shows no bucket {self._settings.bucket} to this token: check"
                " influxdb.bucket, and in .env INFLUX_READ_TOKEN (queries) or FORECASTER_INFLUX_TOKEN (forecasts): an"
                " agent's account may only write"
            )
        return [series for result in document.get("results", []) for series in _series(statement, document, result)]

    def close(self) -> None:
        """Close the connections. Using the client afterwards opens new ones."""
        self._writes.close()
        self._client.close()

    @staticmethod
    def _refused(error: ApiException) -> WriteOutcome:
        if not error.status:
            # The client's form of a TLS failure: a wrong certificate stays wrong.
            return Denied(" ".join(str(error.reason).split()))
        body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
        return outcome_of(int(error.status), body, dict(error.headers or {}), clock.wall_ns() / 1e9)


def raised(address: str, outcome: WriteOutcome) -> Exception:
    """The exception that tells a caller of the store what an outcome means for it."""
    if isinstance(outcome, Denied):
        look = "influxdb.ca (INFLUX_CA)" if "certificate" in outcome.reason else "influxdb: and INFLUX_TOKEN in .env"
        return ConfigError(f"InfluxDB at {address} refuses: {outcome.reason}: check {look}")
    assert isinstance(outcome, Retry)
    return StoreUnavailable(f"InfluxDB at {address}: {outcome.reason}", outcome.after_s or 1.0)


def _no_answer(error: Exception) -> Retry:
    what = " ".join(str(error).split())[:200]
    if isinstance(error, ReadTimeoutError):
        # It took the request and says nothing: more likely busy than dead.
        return Retry(f"no answer in time: {what}", lost_contact=False)
    return Retry(f"no contact: {type(error).__name__}: {what}")


def _series(statement: str, document: Mapping[str, Any], result: Mapping[str, Any]) -> list[ResultSeries]:
    problem = document.get("error") or result.get("error")
    if problem:
        raise ValueError(f"{statement}: {problem}")
    return [
        ResultSeries(found.get("name", ""), found.get("tags", {}), tuple(found["columns"]), found.get("values", ()))
        for found in result.get("series", ())
    ]
