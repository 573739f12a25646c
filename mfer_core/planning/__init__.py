"""What a run will take: seconds, memory and disk, before it starts."""
