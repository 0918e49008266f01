"""nettop's output as three releases print it; the shapes are those of public recordings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.capture.nettop.backend import NettopCapture
from collector.capture.nettop.listing import NotNettopError, ProcessBytes, parse

# macOS 13 to 15: many columns, a comma at the end.
MANY = """time,,interface,state,bytes_in,bytes_out,rx_dupe,rx_ooo,re-tx,rtt_avg,rcvsize,tx_win,tc_class,tc_mgt,cc_algo,\
P,C,R,W,arch,
22:14:53.130702,syslogd.131,,,0,3390,0,0,0,,,,,,,,,,,,
22:14:53.130705,mDNSResponder.219,,,69555258,24841089,0,0,0,,,,,,,,,,,,
22:14:53.130706,com.apple.WebKit.4321,,,100,200,0,0,0,,,,,,,,,,,,
18:18:38.329594,Microsoft Edge .772,,,13530917,11022,0,0,0,,,,,,,,,,,,
20:48:17.212295,Code Helper (Pl.51458,,,0,702,0,0,0,,,,,,,,,,,,
"""
# An older release: fewer columns, none after the last comma; connections between the processes.
FEW = """time,,interface,state,bytes_in,bytes_out,rx_dupe
16:17:52.9,apsd.375,,,6461,53268,0
16:17:52.8,tcp4 192.168.2.16:62740<->17.57.147.7:5223,en0,Established,6461,53268,0
16:17:52.9,OneDrive.1604,,,14564,3563,174
16:17:52.8,tcp6 ::1.8021<->*.*,lo0,Listen,,,
"""
# With -J, only the columns that were asked for.
CHOSEN = ",bytes_in,bytes_out,\nlaunchd.1,1000,2000,\nkernel_task.0,42,0,\n"


def test_the_columns_are_found_by_their_names_whichever_release_prints_them() -> None:
    assert parse(MANY) == (
        ProcessBytes(131, "syslogd", 0, 3390),
        ProcessBytes(219, "mDNSResponder", 69555258, 24841089),
        ProcessBytes(4321, "com.apple.WebKit", 100, 200),
        ProcessBytes(772, "Microsoft Edge", 13530917, 11022),
        ProcessBytes(51458, "Code Helper (Pl", 0, 702),
    )
    assert parse(FEW) == (ProcessBytes(375, "apsd", 6461, 53268), ProcessBytes(1604, "OneDrive", 14564, 3563))
    assert parse(CHOSEN) == (ProcessBytes(1, "launchd", 1000, 2000), ProcessBytes(0, "kernel_task", 42, 0))


def test_of_several_listings_the_last_one_counts() -> None:
    assert parse(MANY + FEW) == parse(FEW)


@pytest.mark.parametrize("text", ["", "usage: nettop [-m mode]", "time,,interface\n1,a.1,x\n"])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(NotNettopError, match="no header line"):
        parse(text)


def test_lines_that_name_no_process_are_passed_over() -> None:
    header = MANY.splitlines()[0]
    assert (
        parse(f"{header}\n10:00,mDNSResponder,,,10,20\n10:00,truncated\n10:00,x.y,,,1,2\n10:00,x.1,,,z,2\n,,,\n") == ()
    )


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    parse(f"{CHOSEN}{text}")


class NoExecutables:
    def look(self, pid: int) -> None:
        return None


def test_the_backend_reports_differences_and_new_processes_from_zero() -> None:
    listings = iter(
        [CHOSEN, ",bytes_in,bytes_out,\nlaunchd.1,1500,2000,\nnew.7,10,20,\n", ",bytes_in,bytes_out,\nother.7,5,1,\n"]
    )
    capture = NettopCapture(lambda: next(listings), NoExecutables())  # type: ignore[arg-type] # knows nobody
    capture.start()
    first = {d.owner.name: (d.rx_bytes, d.tx_bytes) for d in capture.poll().deltas if d.owner}
    assert first == {"launchd": (500, 0), "new": (10, 20)}
    second = {d.owner.name: (d.rx_bytes, d.tx_bytes) for d in capture.poll().deltas if d.owner}
    assert second == {"other": (5, 1)}, "the id has a new process"
    capture.stop()
