"""fmalib: an open laboratory for music autoencoders on the Free Music Archive (FMA).

`ORDER` is the one statement of how data flows: a module imports only from what stands before it. `README.md` explains it.
"""

import os
import sys
from importlib.machinery import PathFinder

from fmalib import paths

__version__ = "0.1.0"

ORDER = {  # package, or module at the top: its modules
    "paths": "",
    "files": "",
    "progress": "",
    "content": "",
    "intervals": "",
    "data": "tracks splits excerpts mpeg ffmpeg tags containers downmix audio formats transfer extract file_facts fma_archives "
    "fma fma_copy commands genre_folder synth_recipes synth_instruments synth_render synth datasets "
    "tfio_decoder shards audio_cache sources segments",
    "signal": "stft mel mdct mdct_frames codewords",
    "models": "layers entropy_layers sparse_layers losses original mdct_autoencoders sparse_mdct audeep patch_autoencoder "
    "classifiers architectures",
    "training": "callbacks distribution runs autoencoders patch_training",
    "codec": "bitstream quantiser entropy contexts integer_network signs learned_contexts part_contexts context_models "
    "levels rate_control block_switching waveform envelope learned_envelope listening profiles step_search "
    "file_codec envelope_training examples context_training commands budget metrics quality ablation classical "
    "coders",
    "genres": "evaluation descriptors codec_latent patch_latent pooling probes comparison results systems predict",
    "latent": "representations maps clustering deep_clustering variance",
    "plots": "style audio autoencoders codec coding genres latent players interactive",
    "notebook": "",
    "runs": "",
    "report": "plan media execution listening pages commands",
    "__main__": "",
}

# All must be set before TensorFlow or Keras is first imported; a value that the user has set wins.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 0 shows every message, also those at the start
# Small convolutions are several times faster with oneDNN, which TensorFlow leaves off on CPUs without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


class _QuietStart:
    """Finds TensorFlow for `import` and silences its start: it announces oneDNN and the lack of a GPU at any log level."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Returns TensorFlow's spec with a silent loader; None for any other module."""
        spec = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader.exec_module = paths.quiet_stderr()(spec.loader.exec_module)
        return spec


if sys.stderr and os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0":
    sys.meta_path.insert(0, _QuietStart)
