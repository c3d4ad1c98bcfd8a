"""Music as one table of tracks: sources, decoding, the cache of decoded audio, segments."""
