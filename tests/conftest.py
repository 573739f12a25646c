"""What every test stands on: the project's own switches, and never a network."""

from flows.quiet import quiet

quiet()
