from pathlib import Path

from qos.contract.points import SPECS
from qos.contract.schema.document import document
from qos.contract.schema.meanings import FIELDS, SINCE, TAGS

ROOT = Path(__file__).parents[4]


def test_the_page_is_what_the_points_say() -> None:
    """Mend it with ``python -m qos.contract.schema.document``."""
    assert (ROOT / "docs" / "schema.md").read_text(encoding="utf-8") == document()


def test_every_tag_and_field_has_a_meaning_and_none_is_left_over() -> None:
    assert set(TAGS) == {tag for spec in SPECS.values() for tag in spec.tags}
    assert {name: set(meanings) for name, meanings in FIELDS.items()} == {
        spec.name: {f.name for f in spec.fields} for spec in SPECS.values()
    }
    known = {spec.name for spec in SPECS.values()} | {f"{s.name}.{f.name}" for s in SPECS.values() for f in s.fields}
    assert set(SINCE) <= known
