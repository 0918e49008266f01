"""The watchdog's judgement over a real pipe, and what ``tc`` says about leftovers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows releases packets by itself when a process dies", allow_module_level=True)

from enforcer.failsafe.leftovers_linux import TcFilter, parse, programs_held
from enforcer.failsafe.watchdog import BEAT, BYE
from enforcer.failsafe.watchdog_linux import watch

LISTING = """[{"protocol":"all","pref":29501,"kind":"bpf","chain":0},
{"protocol":"all","pref":29501,"kind":"bpf","chain":0,"options":{"handle":"0x1","bpf_name":"tc_divert_ingre:[1029]",
"direct-action":true,"not_in_hw":true,"prog":{"id":1029,"name":"tc_divert_ingre","tag":"816f","jited":1}}},
{"protocol":"all","pref":1,"kind":"bpf","chain":0,"options":{"handle":"0x2","bpf_name":"somebody_else","prog":{"id":7}}},
{"protocol":"ip","pref":2,"kind":"u32","chain":0,"options":{}}]"""


@pytest.mark.parametrize(("said", "how"), [([BEAT, BYE], "bye"), ([BEAT], "dead"), ([], "dead")])
def test_the_end_of_the_pipe_means_death_unless_it_said_goodbye(said: list[bytes], how: str) -> None:
    reading, writing = os.pipe()
    for word in said:
        os.write(writing, word)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert watch(pipe, 0) == how


def test_a_silent_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); r, w = os.pipe(); pid = os.fork()\n"
        "if pid: os.close(r); os.write(w, b'.'); os.wait()\n"
        "from enforcer.failsafe.watchdog_linux import watch\n"
        "os.close(w); open(sys.argv[2], 'w').write(watch(os.fdopen(r, 'rb'), os.getppid()))"
    )
    said = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[3]), str(said)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while not (said.exists() and said.read_text(encoding="ascii")):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert said.read_text(encoding="ascii") == "silent"


def test_only_the_librarys_classifiers_are_found_in_a_listing() -> None:
    assert parse("eth0", "ingress", LISTING) == [TcFilter("eth0", "ingress", 29501, "0x1", 1029)]
    assert parse("eth0", "ingress", "") == []
    assert parse("eth0", "ingress", "Error: no such device") == []


def test_programs_that_somebody_has_open_are_read_from_proc(tmp_path: Path) -> None:
    for pid, text in (
        ("12", "pos:\t0\nprog_type:\t3\nprog_id:\t1029\n"),
        ("13", "pos:\t0\n"),
        ("self", "prog_id:\t5\n"),
    ):
        (tmp_path / pid / "fdinfo").mkdir(parents=True)
        (tmp_path / pid / "fdinfo" / "9").write_text(text, encoding="ascii")
    assert programs_held(tmp_path) == {1029}
