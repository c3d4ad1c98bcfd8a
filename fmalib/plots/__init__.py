"""Figures, players and the interactive map. Every figure has a title and units."""

from fmalib.plots import audio, autoencoders, codec, coding, genres, interactive, latent, players, style

__all__ = ["audio", "autoencoders", "codec", "coding", "genres", "interactive", "latent", "players", "style"]
