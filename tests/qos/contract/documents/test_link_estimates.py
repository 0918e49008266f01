"""``link_estimates``: what is learned of the line survives restarts, and rubbish is nothing."""

from hypothesis import given
from hypothesis import strategies as st

from qos.contract.documents.link_estimates import MAX_NETWORKS, LearnedCapacity, LinkEstimates

CAPACITY = st.builds(
    LearnedCapacity,
    bps=st.integers(1, 10**12),
    confidence=st.sampled_from([0.0, 0.5, 1.0]),
    learned_ns=st.integers(0, 2**62),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    networks=st.dictionaries(
        st.text("abc0123", min_size=1, max_size=6),
        st.dictionaries(st.sampled_from(["down", "up"]), CAPACITY, min_size=1),
        max_size=5,
    ),
    elastic=st.lists(st.text(min_size=1, max_size=10), max_size=5),
)
def test_what_is_written_is_read_back(networks: dict[str, dict[str, LearnedCapacity]], elastic: list[str]) -> None:
    document = LinkEstimates("home", networks, tuple(elastic))
    assert LinkEstimates.parse(document.dump()) == document


@given(JSON | st.fixed_dictionaries({"networks": JSON, "elastic": JSON, "current": JSON}))
def test_rubbish_is_nothing_and_never_an_error(document: object) -> None:
    assert isinstance(LinkEstimates.parse(document), LinkEstimates)


def test_the_newest_network_is_kept_and_the_oldest_forgotten() -> None:
    made = LinkEstimates()
    for number in range(MAX_NETWORKS + 10):
        made = made.with_network(str(number), {"down": LearnedCapacity(1, 0.5, number)}, ())
    assert len(made.networks) == MAX_NETWORKS
    assert made.current == str(MAX_NETWORKS + 9)
    assert not made.of("0")
