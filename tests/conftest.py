"""What every test stands on: the project's own switches, never a network, and the same examples in every run."""

from hypothesis import settings

from flows.quiet import quiet

quiet()
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
