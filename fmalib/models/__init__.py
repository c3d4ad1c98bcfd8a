"""Functions that return Keras models, with every layer in `layers` and every loss in `losses`."""
