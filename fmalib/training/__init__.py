"""Training over Keras's `fit`: found again by content, resumed exactly."""
