"""Latent spaces: representations of the same segments, maps, clusters, variance components."""
