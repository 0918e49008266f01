"""What Wine 8 cannot do, test by test: these are skipped under Wine, with this reason, and nowhere else.

Windows itself is the judge of them. ``tests/windows/test_wine_lacks.py`` holds the names to the tests that exist.
"""

import sys
from types import MappingProxyType
from typing import Final

SOCKETS: Final = "Wine's socket table says PID 0 for every socket"
PROCESSES: Final = "psutil cannot read the names, paths or times of processes under Wine"
OWNERS: Final = "Wine has no access control lists: every folder belongs to a made-up user"
CLOSED_FILES: Final = "Wine's server keeps a descriptor of each closed connection while another is open: 20,000 here"
RAW_IPV6: Final = "Wine has no raw IPv6 sockets"

WINE_LACKS: Final = MappingProxyType(
    {
        "tests/collector/capture/test_executables.py::"
        "test_a_living_process_is_known_by_its_executable_and_start": PROCESSES,
        "tests/collector/probes/test_prober.py::test_real_loopback_answers_in_both_families": RAW_IPV6,
        "tests/collector/test_resources.py::test_a_real_busy_process_uses_about_one_core": PROCESSES,
        "tests/enforcer/game_mode/test_names.py::test_the_running_programs_are_really_read": PROCESSES,
        "tests/qos/service/test_datadir.py::test_the_directory_is_made_with_its_parents": OWNERS,
        "tests/qos/service/test_datadir.py::test_a_file_in_the_way_is_one_line_with_what_to_do": OWNERS,
        "tests/qos/service/test_private_folder_windows.py::"
        "test_an_elevated_agents_folder_belongs_to_administrators_and_inherits_nothing": OWNERS,
        "tests/qos/store/sqlite/test_coarse.py::"
        "test_thirty_days_with_outages_late_rows_and_clock_steps_equal_the_raw_rows": CLOSED_FILES,
        "tests/qos/system/test_echo.py::test_an_answer_has_a_round_trip_time_and_no_reason[::1]": RAW_IPV6,
        "tests/qos/system/processes/test_cache.py::test_a_real_script_is_told_apart_by_rule": PROCESSES,
        "tests/qos/system/processes/test_reader_psutil.py::test_this_process_is_read_and_a_dead_one_is_not": PROCESSES,
        "tests/qos/system/processes/test_reader_psutil.py::test_identities_come_out_the_same_way_everywhere": PROCESSES,
        "tests/qos/system/sockets/test_table.py::test_a_socket_of_this_process_is_in_the_table": SOCKETS,
    }
)


def under_wine() -> bool:
    """Whether this is Windows' Python on Wine."""
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def reason(nodeid: str) -> str | None:
    """Why this test cannot run under Wine; None when it can. All parameters of a test are meant unless one is named."""
    name = nodeid.replace("\\", "/")
    return WINE_LACKS.get(name) or WINE_LACKS.get(name.partition("[")[0])
