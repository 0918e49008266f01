"""Hostile pages, ports and names against a real server in a real Chromium: none reads, none steers."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.page.conftest import SamplePage
from tests.console.page.rig import chromium

pytestmark = pytest.mark.browser

ATTACK = Path(__file__).with_name("attack.html").read_text()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012 - what the browser sent us, for the cookie test

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def end_headers(self) -> None:
        _Quiet.seen.append(str(self.headers))
        super().end_headers()


@pytest.fixture(scope="module")
def hostile(sample: SamplePage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Another server on this machine, with a page that attacks ours; its port."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "attack.html").write_text(ATTACK.replace("{{target}}", sample.url))
    rebound = f"http://rebound.test:{sample.process.port}/"
    (folder / "rebound.html").write_text(ATTACK.replace("{{target}}", rebound))
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Every name leads to this machine, as after DNS rebinding."""
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as found:
        yield found


@pytest.fixture
def victim(browser: Browser, sample: SamplePage) -> Iterator[Page]:
    """A browser in which our page is open and logged in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(sample.login_url())
    expect(page.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
    yield page
    context.close()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://evil.test:{port}"])
@pytest.mark.parametrize("file", ["attack.html", "rebound.html"])
def test_another_page_reads_nothing_and_steers_nothing(
    victim: Page, hostile: int, sample: SamplePage, origin: str, file: str
) -> None:
    """Another site, another port of the same host, and a name that was rebound to us."""
    page = victim.context.new_page()
    page.goto(f"{origin.format(port=hostile)}/{file}")
    results = page.evaluate("window.done")
    assert len(results) == 14
    allowed = {"refused", "opaque", "sent blind"}
    assert [entry for entry in results if entry[1] not in allowed] == []
    framed = page.frames[-1]
    assert "AutoQoS" not in framed.content()
    assert sample.state("override:pause") is None
    assert victim.locator("tr[data-app=steam]").is_visible()


def test_a_rebound_name_gets_nothing_at_all(browser: Browser, sample: SamplePage) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"http://rebound.test:{sample.process.port}/")
    assert answer is not None
    assert answer.status == 421
    assert "script" not in page.content()
    context.close()


def test_no_cookie_is_set_and_none_goes_to_another_port(victim: Page, hostile: int) -> None:
    assert victim.context.cookies() == []
    _Quiet.seen.clear()
    page = victim.context.new_page()
    page.goto(f"http://127.0.0.1:{hostile}/attack.html")
    assert _Quiet.seen
    assert not [headers for headers in _Quiet.seen if "cookie" in headers.lower() or "bearer" in headers.lower()]
    assert page.evaluate("sessionStorage.length") == 0, "the token belongs to one port"


def test_neither_code_nor_token_is_in_any_request_line(browser: Browser, sample: SamplePage) -> None:
    context = browser.new_context()
    page = context.new_page()
    lines: list[str] = []
    page.on("request", lambda request: lines.append(request.url))
    url = sample.login_url()
    page.goto(url)
    expect(page.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
    token = page.evaluate("sessionStorage.getItem('autoqos-token')")
    code = url.partition("#code=")[2]
    assert token
    assert len(lines) > 10
    assert not [line for line in lines if token in line or (code in line and "#" not in line)]
    assert page.evaluate("document.referrer") == ""
    context.close()


def test_a_used_address_opens_nothing(browser: Browser, sample: SamplePage) -> None:
    url = sample.login_url()
    for number in range(2):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        place = page.locator("#main")
        expect(place).to_contain_text("Applications" if number == 0 else "wrong, used or older", timeout=20_000)
        context.close()


def test_markup_and_inline_script_cannot_run(victim: Page) -> None:
    refused = victim.evaluate(
        """() => {
          const results = [];
          for (const attack of [
            () => { document.body.innerHTML = "<b>x</b>"; },
            () => { document.write("x"); },
            () => { new Function("return 1")(); },
            () => { document.createElement("script").text = "1"; },
            () => { trustedTypes.createPolicy("x", {createHTML: (text) => text}); },
          ]) {
            try { attack(); results.push("ran"); } catch { results.push("refused"); }
          }
          return results;
        }"""
    )
    assert refused[0] == refused[1] == refused[3] == refused[4] == "refused"


def test_the_redirect_file_opens_the_page(browser: Browser, sample: SamplePage, tmp_path: Path) -> None:
    from console.page.access.opening import redirect_file

    file = redirect_file(sample.login_url())
    try:
        assert file.stat().st_mode & 0o777 == 0o600
        context = browser.new_context()
        page = context.new_page()
        page.goto(file.as_uri())
        expect(page.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
        context.close()
    finally:
        file.unlink()
