"""Each real layout is written once per run."""

from pathlib import Path

import pytest

from tests.corpora.layouts import LAYOUTS


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """built(name) -> the folder that holds the layout of that name; read only."""
    folders: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name.replace(" ", "_"))
            LAYOUTS[name].build(folders[name])
        return folders[name]

    return build
