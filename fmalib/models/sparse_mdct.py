"""A sparse frequency-domain autoencoder: every latent value is a 16-bit codeword, an (index, value) pair.

A network with a fixed number of latent channels spends the same number of latent values on every frame, so it can only tie
with a linear projection. Here the encoder keeps the largest MDCT coefficients, wherever they are (k-sparse autoencoder:
Makhzani and Frey 2013), each as one codeword (`fmalib.signal.codewords`). The decoder reads nothing else, so the size of the
codewords in a file is the bitrate.

Only the windows of the transform are trained, some 500 numbers. A trainable transform (a million weights, at first the MDCT)
overfitted 23 training tracks.
"""

import keras

from fmalib.models.layers import FromCodewords, Imdct, Mdct, ToCodewords
from fmalib.models.original import check_latent
from fmalib.signal import codewords, mdct


def sparse_autoencoder(*, samples=65_536, latent=64, hop=mdct.HOP):
    """Returns the sparse autoencoder; before any training it works with an MDCT under sine windows.

    Args:
        samples: length of input and output.
        latent: codewords for each frame on average; the `latent * frames` of a segment lie wherever coefficients are large.
        hop: samples from frame to frame of the MDCT; 526 gives 126 frames for 65,536 samples.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)`, with the models `encoder` (to `(batch, frames, latent)`, whole
        numbers from 0 to 65,535) and `decoder` as layers.

    Raises:
        ValueError: `latent` is not below `hop`, or too small for a codeword to bridge the distances.
    """
    check_latent(latent, lowest=-(-hop // 2**12), highest=hop - 1)  # the lowest leaves four bits for the size
    bits = codewords.gap_bits(latent, hop)
    audio = keras.Input((samples,), name="audio")
    x = Mdct(hop, name="mdct")(audio)
    x = ToCodewords(latent, bits, name="to_codewords")(x)
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = FromCodewords(hop, bits, name="from_codewords")(code)
    x = Imdct(samples, name="imdct")(x)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name="sparse_autoencoder")
