"""fmalib: an open laboratory for music autoencoders on the Free Music Archive (FMA).

Data flows one way: datasets -> audio -> cache -> segments -> stft -> models -> training -> metrics ->
compression -> evaluation -> systems -> plots -> predict.
"""

import os

__version__ = "0.1.0"

# All must be set before TensorFlow or Keras is first imported; a value that the user has set wins.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else every start on a machine without a GPU prints CUDA errors
# Small convolutions are several times faster with oneDNN, which TensorFlow leaves off on CPUs without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
