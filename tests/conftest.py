"""What every test stands on: the project's own switches, never a network, and the same examples in every
run.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from flows.environment import set_environment

set_environment()
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def as_nobody():
    """A folder that everyone may enter, with the rights of a person who is not root: root may read whatever
    it likes.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(was)
