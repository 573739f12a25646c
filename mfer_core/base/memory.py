"""Memory that libraries keep for later, given back to the system."""

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Give back what glibc's allocator and Arrow's keep of freed memory; milliseconds.

    A process that has looked at a long recording would else hold its peak until it ends. Other C libraries
    than glibc have no such call, and keep less.
    """
    pa.default_memory_pool().release_unused()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
