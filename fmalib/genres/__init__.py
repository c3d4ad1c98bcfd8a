"""Genre recognition: systems by name on shared data, and their evaluation."""
