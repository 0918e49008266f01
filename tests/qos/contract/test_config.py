"""Configuration: every bad file with its exact message, defaults."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.contract.config import Config, parse_config
from qos.contract.errors import ConfigError

BAD = sorted((Path(__file__).parent / "configs" / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gives_exactly_its_lines(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(path.read_text(encoding="utf-8"))
    assert f"{caught.value}\n" == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert all(line.startswith("config.yaml: ") for line in caught.value.lines)


def test_every_bad_file_has_its_message_and_there_are_many() -> None:
    assert len(BAD) >= 30
    assert all(path.with_suffix(".txt").is_file() for path in BAD)


def test_an_empty_file_is_all_defaults() -> None:
    assert parse_config("") == parse_config("# nothing\n") == Config()


def test_units_are_read_into_base_units() -> None:
    config = parse_config(
        "interval: 500ms\nretention: {raw: 36h, max_size: 1.5GB}\nlink: {down: 100mbit, up: 20mbit}\n"
        "levels: {5: {name: slow, down: 64kbit}}\napps: [{match: '*steam*', priority: 5, up: 1mbit}]\n"
    )
    assert config.interval == 500_000_000
    assert config.retention.raw == 36 * 3600 * 10**9
    assert config.retention.max_size == 1_500_000_000
    assert config.link.down == 100_000_000
    assert config.levels[5].down == 64_000
    assert config.apps[0].up == 1_000_000


def test_levels_that_are_not_named_keep_their_defaults() -> None:
    config = parse_config("levels: {1: {name: games, weight: 70}}")
    assert config.levels[1].weight == 70
    assert {number: level.name for number, level in config.levels.items()} == {
        0: "critical",
        1: "games",
        2: "high",
        3: "normal",
        4: "low",
        5: "background",
    }


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.text("abc:-[]{}&*!|>'\"%@`#,? \n\t0123", max_size=60))
def test_no_text_whatever_breaks_the_parser_otherwise_than_with_a_config_error(text: str) -> None:
    lines: tuple[str, ...] = ()
    try:
        parse_config(text)
    except ConfigError as error:
        lines = error.lines
    assert all(line.startswith("config.yaml: ") for line in lines)


@pytest.mark.parametrize(
    "text", ["host: 2020-13-99", "a: " + "[" * 3000, "a: " + "9" * 5000, "? [a]\n: b", "host: \x08"]
)
def test_texts_that_make_the_yaml_library_stumble_are_config_errors(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^config\.yaml: "):
        parse_config(text)
