"""One-time codes and tokens: literal times, no server."""

from console.page.access.sessions import CODE_NS, IDLE_NS, MOST_FAILURES, MOST_TOKENS, Sessions, digest, new_secret

S = 10**9


def with_code(code: str = "secret", now_ns: int = 0) -> Sessions:
    sessions = Sessions()
    sessions.add_code(digest(code), now_ns)
    return sessions


def test_a_code_works_once() -> None:
    sessions = with_code()
    token = sessions.redeem("secret", "page", S)
    assert token is not None
    assert sessions.client_of(token, S) == "page"
    assert sessions.redeem("secret", "page", S) is None


def test_a_code_is_good_for_a_minute() -> None:
    assert with_code().redeem("secret", "api", CODE_NS - 1) is not None
    assert with_code().redeem("secret", "api", CODE_NS) is None


def test_a_wrong_code_or_token_is_nothing() -> None:
    sessions = with_code()
    assert sessions.redeem("secret ", "api", 0) is None
    assert sessions.redeem("", "api", 0) is None
    assert sessions.client_of("", 0) is None
    assert sessions.client_of("\udcff", 0) is None


def test_too_many_wrong_codes_have_to_wait() -> None:
    sessions = with_code()
    for number in range(MOST_FAILURES):
        assert sessions.retry_after_s(number) is None
        sessions.redeem("guess", "api", number)
    assert sessions.retry_after_s(5) == 60
    assert sessions.retry_after_s(61 * S) is None


def test_a_token_ends_by_logging_out_and_when_nobody_uses_it() -> None:
    sessions = with_code()
    token = sessions.redeem("secret", "page", 0)
    assert token is not None
    assert sessions.client_of(token, IDLE_NS) == "page"
    assert sessions.client_of(token, 2 * IDLE_NS) == "page"
    assert sessions.client_of(token, 3 * IDLE_NS + 1) is None
    sessions.add_code(digest("other"), 0)
    second = sessions.redeem("other", "page", 0)
    assert second is not None
    sessions.end(second)
    assert sessions.client_of(second, 0) is None


def test_tokens_are_bounded_and_the_least_used_goes_first() -> None:
    sessions = Sessions()
    tokens = []
    for number in range(MOST_TOKENS + 1):
        sessions.add_code(digest(str(number)), number)
        tokens.append(sessions.redeem(str(number), "api", number))
    assert sessions.client_of(str(tokens[0]), MOST_TOKENS) is None
    assert sessions.client_of(str(tokens[1]), MOST_TOKENS) == "api"


def test_secrets_have_256_bits_and_are_not_kept() -> None:
    sessions = with_code("abc")
    assert len(new_secret()) >= 43
    assert "abc" not in repr(vars(sessions))
