"""The report: notebooks executed, their results and sounds as pages that need no network."""
