"""Transforms as tensor functions: STFT, mel bands, MDCT, codewords of its largest coefficients."""
