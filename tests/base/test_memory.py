"""Freed memory goes back to the system."""

import sys

import numpy as np
import psutil
import pytest

from mfer_core.base.memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has a call for it")
def test_what_the_allocator_keeps_of_freed_memory_is_given_back():
    pieces = [np.ones(12_000) for _ in range(2000)]  # 96 kB each, below what is mapped alone
    last = pieces.pop()  # This keeps the allocator from giving back what lies before it.
    pieces.clear()
    kept = psutil.Process().memory_info().rss
    give_back()
    assert kept - psutil.Process().memory_info().rss > 150e6
    assert last.sum() == 12_000
