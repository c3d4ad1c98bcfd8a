"""Imported once by the server that forks jobs."""

from faults import jobs

jobs.preload()
