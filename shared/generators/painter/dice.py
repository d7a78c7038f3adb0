import hashlib

import numpy as np


class Dice:
    """All randomness of one picture: named streams that are independent of each other.

    A stream depends only on the prompt and the seed: not on the size of the picture, nor on what
    other layers drew.
    """

    def __init__(self, prompt: str, seed: int | None) -> None:
        # surrogatepass: a lone surrogate is a legal str and must not stop a picture
        text = f"{seed}\0{prompt}".encode(errors="surrogatepass")
        self._key = hashlib.sha256(text).digest()

    def stream(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(self._key + name.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest))
