"""Runbooks: docs/runbooks.md as a dashboard, one text panel an alert, so that every notification has an address to link to."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard, text
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import text as texts

UID: Final = "autoqos-runbooks"
SOURCE: Final = Path(__file__).parents[3] / "docs" / "runbooks.md"
_LINK: Final = re.compile(r"\[([^\]]+)\]\([\w./-]+\.md[^)]*\)")
"""A link to a file beside the document, which Grafana does not serve."""
_SECTION: Final = re.compile(r"^((?:<a id=\"[\w-]+\"></a>)+)\n## (.+)\n", re.M)


@dataclass(frozen=True)
class Section:
    """One runbook: its panel, title and Markdown; ``advice`` is its first sentence to do something."""

    panel: int
    title: str
    body: str

    @property
    def advice(self) -> str:
        """The first item of its list, or its last sentence, on one line."""
        items = re.findall(r"^- (.+(?:\n  .+)*)", self.body, re.M)
        line = items[0] if items else re.split(r"(?<=[.:])\s", self.body)[-1]
        return " ".join(line.split())


@cache
def sections() -> dict[str, Section]:
    """Every section by each of its anchors. The panel's number is the section's place in the file, from 1."""
    document = SOURCE.read_text(encoding="utf-8")
    found = list(_SECTION.finditer(document))
    ends = [match.start() for match in found[1:]] + [len(document)]
    return {
        anchor: Section(panel, match[2], document[match.end() : end].strip())
        for panel, (match, end) in enumerate(zip(found, ends, strict=True), 1)
        for anchor in re.findall(r'id="([\w-]+)"', match[1])
    }


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = (
        dashboard.Dashboard("AutoQoS · Runbooks")
        .uid(UID)
        .description("What each alert means and what to do.")
        .tags(["autoqos"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("AutoQoS")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["autoqos"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for section in {s.panel: s for s in sections().values()}.values():
        board.with_panel(
            text.Panel()
            .title(section.title)
            .description(f"What the alert “{section.title}” means and what to do.")
            .id(section.panel)
            .span(12)
            .height(7)
            .mode(texts.TextMode.MARKDOWN)
            .content(_LINK.sub(r"`docs/\1`", section.body))
        )
    return board
