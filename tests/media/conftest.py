"""What the media tests share: the default settings of extraction."""

from pathlib import Path

import pytest

from mfer_core.base.settings import Extract, load_settings

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"


@pytest.fixture(scope="session")
def settings() -> Extract:
    return load_settings(ROOT / "params.yaml").extract


@pytest.fixture(scope="session")
def real() -> Path:
    """Real recordings beside the checkout, where there are any."""
    if not REAL.is_dir():
        pytest.skip(f"no real recordings at {REAL}")
    return REAL
