"""The guard's table: which requests go on, which are refused and with what."""

from typing import Any

import pytest

from console.page.access import address
from console.page.access.guard import CSP, MOST_BODY, check

PORT = 8737
HERE = ("host", "127.0.0.1:8737")
JSON = ("content-type", "application/json")
NAVIGATE = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))


def status(method: str, path: str, *headers: tuple[str, str], raw: bytes | None = None) -> int | None:
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": raw or path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    problem = check(scope, address.hosts(PORT), address.origins(PORT))
    return problem.status if problem is not None else None


@pytest.mark.parametrize(
    "host",
    [
        "evil.org", "evil.org:8737", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:08737", "127.0.0.1:8737.evil.org",
        "LOCALHOST:8737", "localhost.:8737", "[::1]:8737", "0.0.0.0:8737", "2130706433:8737", "127.1:8737", "",
        "127.0.0.1:8737 ", "user@127.0.0.1:8737", "127.0.0.1:8738",
    ],
)  # fmt: skip
def test_another_host_is_misdirected(host: str) -> None:
    assert status("GET", "/", ("host", host)) == 421


def test_a_missing_or_second_host_is_misdirected() -> None:
    assert status("GET", "/") == 421
    assert status("GET", "/", HERE, HERE) == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8737", "localhost:8737"])
def test_our_own_names_are_ours(host: str) -> None:
    assert status("GET", "/", ("host", host)) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null", "http://evil.example", "https://127.0.0.1:8737", "http://127.0.0.1:8738", "http://127.0.0.1",
        "chrome-extension://abcdef", "http://127.0.0.1:8737.evil.example", "HTTP://127.0.0.1:8737", "file://", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_origin_is_forbidden(method: str, origin: str) -> None:
    assert status(method, "/api/v1/pause", HERE, JSON, ("origin", origin)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "Same-Origin"])
def test_another_sites_requests_are_forbidden(site: str) -> None:
    assert status("PUT", "/api/v1/pause", HERE, JSON, ("sec-fetch-site", site)) == 403


def test_our_own_page_and_programs_may_write() -> None:
    own = (("origin", "http://127.0.0.1:8737"), ("sec-fetch-site", "same-origin"))
    assert status("PUT", "/api/v1/pause", HERE, JSON, *own) is None
    assert status("PUT", "/api/v1/pause", HERE, JSON) is None


def test_a_person_may_go_to_the_page_from_anywhere_but_not_frame_or_fetch_it() -> None:
    assert status("GET", "/", HERE, ("sec-fetch-site", "cross-site"), *NAVIGATE) is None
    assert status("GET", "/", HERE, ("sec-fetch-site", "none"), *NAVIGATE) is None
    framed = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"))
    assert status("GET", "/", HERE, ("sec-fetch-site", "cross-site"), *framed) == 403
    script = (("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script"))
    assert status("GET", "/app.js", HERE, ("sec-fetch-site", "same-site"), *script) == 403
    assert status("GET", "/api/v1/apps", HERE, ("sec-fetch-site", "cross-site"), *NAVIGATE) == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonp", "*/*"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_write_that_is_no_json_is_refused(method: str, kind: str) -> None:
    assert status(method, "/api/v1/session", HERE, ("content-type", kind)) == 415


def test_json_with_a_charset_is_json_and_delete_needs_no_body() -> None:
    assert status("PUT", "/x", HERE, ("content-type", "application/json; charset=utf-8")) is None
    assert status("DELETE", "/x", HERE) is None
    assert status("DELETE", "/x", HERE, ("content-length", "5"), ("content-type", "text/plain")) == 415
    assert status("DELETE", "/x", HERE, ("transfer-encoding", "chunked")) == 415


@pytest.mark.parametrize("length", [str(MOST_BODY + 1), "99999999999999999999999", "-1", "1e3", "٣"])
def test_a_body_that_is_too_long_is_refused_before_it_is_read(length: str) -> None:
    if not length.isascii():
        length = length.encode().decode("latin-1")
    assert status("PUT", "/x", HERE, JSON, ("content-length", length)) == 413


def test_doubled_headers_and_long_addresses_are_refused() -> None:
    assert status("PUT", "/x", HERE, JSON, JSON) == 400
    assert status("GET", "/x", HERE, ("origin", "http://127.0.0.1:8737"), ("origin", "http://evil.example")) == 400
    assert status("GET", "/x", HERE, raw=b"/" + b"x" * 5000) == 414


def test_the_policy_lets_in_nothing_but_our_own_files() -> None:
    assert "default-src 'none'" in CSP
    assert "unsafe" not in CSP
    assert "*" not in CSP
    assert "require-trusted-types-for 'script'" in CSP
