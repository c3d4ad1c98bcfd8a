"""Coders side by side: metrics of reconstructions, classical coders, autoencoders as coders."""
