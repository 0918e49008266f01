import pytest

from qos.policy.matching import AppIdentity, matches


@pytest.mark.parametrize(
    ("pattern", "who", "expected"),
    [
        ("chrome", AppIdentity("Chrome"), True),
        ("chrome.exe", AppIdentity("chrome"), True),
        ("chro*", AppIdentity("chromium"), True),
        ("chrome", AppIdentity("chromium"), False),
        (r"*\steamapps\*", AppIdentity("x", (r"D:\Steam\SteamApps\common\x.exe",)), True),
        ("*/steamapps/*", AppIdentity("steamapps"), False),
        ("service:BITS", AppIdentity("bits", services=("BITS",)), True),
        ("service:bits", AppIdentity("bits"), False),
    ],
)
def test_matching(pattern: str, who: AppIdentity, expected: bool) -> None:
    assert matches(pattern, who) is expected
