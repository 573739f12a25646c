"""The reference page says of every setting what it does, and is as the command writes it."""

from mfer_core.base.settings.reference import reference_page
from mfer_core.cache.code import ROOT


def test_the_page_is_current_and_no_setting_is_without_help():
    page = reference_page()
    assert page == (ROOT / "docs" / "reference_settings.md").read_text(encoding="utf-8"), (
        "run `mfer settings`"
    )
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []
