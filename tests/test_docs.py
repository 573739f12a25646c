"""The guide: every page is in its order, every link of it leads somewhere, every command is explained."""

import re

from ruamel.yaml import YAML

from flows.commands import commands_page
from mfer_core.cache.code import ROOT

DOCS = ROOT / "docs"
DATA = ROOT / "data" / "README.md"
LINK = re.compile(r"\]\(([^)#: ]+)(#[^)]*)?\)")


def pages(entries):
    """The files of a table of contents, depth first."""
    for entry in entries:
        (value,) = entry.values()
        yield from [value] if isinstance(value, str) else pages(value)


def test_the_guide_has_every_page_once():
    listed = list(pages(YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"]))
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


def test_every_page_says_how_long_it_takes():
    """But for those that are made from the code and looked things up in."""
    for page in DOCS.glob("*.md"):
        first = " ".join(page.read_text(encoding="utf-8").split("\n\n")[1:3])
        assert page.name.startswith("reference_") or re.search(r"\b([Mm]inutes|hours?)\b", first), page.name


def test_every_link_of_a_page_leads_to_a_file():
    for page in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", DATA):
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_the_page_of_commands_is_as_the_commands_are():
    page = (DOCS / "reference_commands.md").read_text(encoding="utf-8")
    assert page == commands_page(), "run `mfer settings`"
