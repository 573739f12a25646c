"""What is known of MLflow's pages from no documentation is still in the pages of the installed MLflow."""

from pathlib import Path

import mlflow
import pytest

from tasks.tracking import pages
from tasks.tracking.fold_runs import OPENED_RUN_TYPE


@pytest.fixture(scope="module")
def scripts():
    """MLflow's pages, as a browser gets them."""
    folder = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.js")))


@pytest.mark.parametrize(
    "word",
    [
        f'"{pages.SHARED_VIEW_TAG}"',
        f'"{pages.KIND_TAG}"',
        f'"{pages.KIND}"',
        f'"{OPENED_RUN_TYPE}"',
        '"SHOW_ALL"',
        '"viewStateShareKey"',
        *pages.VIEW,
    ],
)
def test_the_pages_know_the_saved_view_and_its_fields(scripts, word):
    assert word in scripts
