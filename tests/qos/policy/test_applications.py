import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.policy.applications import (
    KERNEL,
    OTHER,
    UNKNOWN,
    AppNames,
    Family,
    Process,
    app_name,
    clean,
    executable_name,
    is_interpreter,
    root_of,
    same_app,
    script_name,
)

WORDS = st.text(max_size=300)


@pytest.mark.parametrize(
    ("path", "family", "expected"),
    [
        ("/usr/bin/curl", "linux", "curl"),
        ("/usr/lib/firefox/firefox", "linux", "firefox"),
        ("/usr/bin/curl (deleted)", "linux", "curl"),
        ("/usr/bin/python3.11", "linux", "python3"),
        ("/usr/bin/perl5.36.0", "linux", "perl"),
        ("/usr/bin/node18", "linux", "node"),
        ("/usr/bin/pypy3.10", "linux", "pypy3"),
        ("/usr/bin/gcc-12", "linux", "gcc-12"),  # no interpreter: its number belongs to the name
        ("/usr/bin/7z", "linux", "7z"),
        ("/home/a/Signal", "linux", "Signal"),
        ("/snap/spotify/60/usr/share/spotify/spotify", "linux", "spotify"),
        ("/snap/code/12/electron", "linux", "code"),
        ("/tmp/.mount_KritaaXy12Zq/AppRun", "linux", "Kritaa"),
        ("/app/bin/flatpak-app", "linux", "flatpak-app"),
        ("/opt/音楽/再生", "linux", "再生"),
        ("weird name (x)", "linux", "weird name (x)"),
        (r"C:\Program Files\Google\Chrome\Application\Chrome.EXE", "windows", "chrome"),
        (r"C:\Games\Überspiel.exe", "windows", "überspiel"),
        ("svchost.exe", "windows", "svchost"),
        ("Registry", "windows", "registry"),
        ("", "linux", UNKNOWN),
        ("", "windows", UNKNOWN),
        ("/usr/bin/\x1b[31mred", "linux", "[31mred"),
    ],
)
def test_an_executable_goes_by_its_normalised_name(path: str, family: Family, expected: str) -> None:
    assert executable_name(path, family) == expected


@given(WORDS)
def test_a_cleaned_name_can_be_stored_and_shown_anywhere(text: str) -> None:
    name = clean(text)
    assert 1 <= len(name) <= 128
    assert name == name.strip()
    assert not any(unicodedata.category(c) == "Cc" for c in name)
    assert name.encode("utf-8")
    assert clean(name) == name


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert clean(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\ufffd"


def test_direction_marks_cannot_disguise_a_name() -> None:
    assert clean("cod\u202eexe.gpj") == "codexe.gpj"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["python3", "-u", "/srv/backup.py", "--password=x"], "backup.py"),
        (["/usr/bin/python3.11", "-Im", "http.server", "80"], "http.server"),
        (["python3", "-X", "dev", "a.py"], "a.py"),
        (["python3", "-c", "print(1)"], ""),
        (["python3", "-uc", "print(1)"], ""),
        (["python3", "-"], ""),
        (["python3"], ""),
        (["python3", "-m"], ""),
        ([], ""),
        (["perl", "-E", "say 1"], ""),
        (["node", "-r", "hook", "/app/server.js"], "server.js"),
        (["node", "--require", "hook", "/app/server.js"], "server.js"),
        (["bash", "-lc", "curl https://user:secret@host"], ""),
        (["pwsh", "-Command", "Get-Secret"], ""),
        (["ruby", "weird;name"], ""),
    ],
)
def test_only_a_scripts_name_is_taken_from_a_command_line(argv: list[str], expected: str) -> None:
    assert script_name(argv) == expected


@given(st.lists(WORDS, max_size=6))
def test_no_folder_and_no_program_text_ever_becomes_a_scripts_name(argv: list[str]) -> None:
    assert not set(script_name(argv)) & set("/\\\n;(){}=<>\"'|&$`")


def test_an_interpreter_is_told_apart_by_its_script_only_by_rule() -> None:
    process = Process(7, exe="/usr/bin/python3.11", script="backup.py")
    assert app_name(process, "linux") == "python3"
    assert app_name(process, "linux", ["other*"]) == "python3"
    assert app_name(process, "linux", ["BACKUP*.py"]) == "backup.py"


@pytest.mark.parametrize("path", ["/usr/bin/python3.12", "/usr/bin/node", "/usr/bin/ruby3.1", r"C:\Python\pythonw.exe"])
def test_interpreters_are_recognised(path: str) -> None:
    assert is_interpreter(path, "windows" if "\\" in path else "linux")
    assert not is_interpreter("/usr/bin/curl", "linux")


def test_services_and_kernel_threads_have_names_of_their_own() -> None:
    assert app_name(Process(7, name="svchost.exe", service="WuaUserv"), "windows") == "wuauserv"
    assert app_name(Process(7, name="kworker/0:1", kernel=True), "linux") == KERNEL


def test_a_wine_program_goes_by_its_own_name() -> None:
    assert app_name(Process(7, name="Game.exe", exe="/usr/lib/wine/wine64-preloader"), "linux") == "game"
    assert app_name(Process(7, name="wineserver", exe="/usr/lib/wine/wine64"), "linux") == "wine64"


def test_a_program_in_memory_goes_by_its_short_name() -> None:
    assert app_name(Process(7, name="runc:[2:INIT]", exe="/memfd:runc_cloned (deleted)"), "linux") == "runc:[2:INIT]"


def test_a_short_name_cut_by_linux_is_completed_where_that_is_certain() -> None:
    cut = "network-connect"  # 15 bytes
    assert app_name(Process(7, name=cut, argv0="/usr/bin/network-connector"), "linux") == "network-connector"
    assert app_name(Process(7, name=cut), "linux", known=["network-connector", "curl"]) == "network-connector"
    assert app_name(Process(7, name=cut), "linux", known=["network-connector", "network-connected"]) == cut
    assert app_name(Process(7, name="curl", argv0="/evil/curlier"), "linux", known=["curlier"]) == "curl"


WINDOWS_STEAM = r"C:\Program Files (x86)\Steam\steam.exe"


@pytest.mark.parametrize(
    ("child", "parent", "family", "expected"),
    [
        ("/usr/lib/firefox/plugin-container", "/usr/lib/firefox/firefox", "linux", True),
        ("/opt/google/chrome/chrome", "/opt/google/chrome/chrome", "linux", True),
        ("/usr/bin/curl", "/usr/bin/bash", "linux", False),
        ("/usr/bin/curl", "/usr/bin/python3.11", "linux", False),
        ("/usr/bin/python3.11", "/usr/bin/python3.11", "linux", True),
        ("/home/a/venv/bin/python3.11", "/home/a/venv/bin/uv", "linux", False),
        ("/home/a/tool", "/home/a/shell", "linux", False),
        (r"C:\Program Files (x86)\Steam\bin\cef\SteamWebHelper.exe", WINDOWS_STEAM, "windows", True),
        (r"C:\Program Files (x86)\Steam\steamapps\common\Game\game.exe", WINDOWS_STEAM, "windows", False),
        (r"C:\Windows\System32\svchost.exe", r"C:\Windows\System32\services.exe", "windows", False),
        (r"C:\Users\a\AppData\Local\Discord\app-1\Discord.exe", r"C:\Users\a\AppData\Local\x.exe", "windows", False),
        ("", "/usr/lib/firefox/firefox", "linux", False),
    ],
)
def test_children_share_their_parents_application_only_inside_its_own_folder(
    child: str, parent: str, family: Family, expected: bool
) -> None:
    assert same_app(Process(2, exe=child), Process(1, exe=parent), family) is expected


def test_the_root_of_a_tree_is_its_topmost_member() -> None:
    table = {
        1: Process(1, 10, 0, exe="/sbin/init"),
        5: Process(5, 20, 1, exe="/usr/lib/firefox/firefox"),
        6: Process(6, 30, 5, exe="/usr/lib/firefox/plugin-container"),
        7: Process(7, 40, 6, exe="/usr/lib/firefox/plugin-container"),
        8: Process(8, 50, 7, exe="/usr/bin/xdg-open"),
    }
    assert root_of(table[7], table.get, "linux") is table[5]
    assert root_of(table[8], table.get, "linux") is table[8]


def test_a_parent_younger_than_its_child_is_a_reused_pid_and_no_parent() -> None:
    child = Process(7, 40, 6, exe="/opt/x/a")
    assert root_of(child, {6: Process(6, 90, 1, exe="/opt/x/a")}.get, "linux") is child


@given(st.integers(0, 40))
def test_a_circle_of_parents_ends(length: int) -> None:
    table = {i: Process(i, 5, (i % (length + 1)) + 1, exe="/opt/x/a") for i in range(1, length + 2)}
    assert root_of(table[1], table.get, "linux").exe == "/opt/x/a"


@settings(deadline=None)
@given(st.lists(st.sampled_from([f"app{i}" for i in range(30)]), max_size=100), st.integers(1, 20))
def test_at_most_the_limit_of_distinct_names_and_then_other(names: list[str], limit: int) -> None:
    cap = AppNames(limit)
    admitted = [cap.admit(name) for name in names]
    assert len(set(admitted) - {OTHER}) <= limit
    assert all(out in (name, OTHER) for name, out in zip(names, admitted, strict=True))
    assert [cap.admit(name) for name in names] == admitted  # once named, always so
    assert cap.overflowed == len({n for n, out in zip(names, admitted, strict=True) if out == OTHER})
