import hashlib

import numpy as np


class Dice:
    """All chance in one picture: named streams that know nothing of each other.

    A stream depends on the whole prompt and the seed alone, neither on the size of the picture
    nor on what other layers drew from theirs.
    """

    def __init__(self, prompt: str, seed: int | None) -> None:
        # surrogatepass: a lone surrogate is a legal str and must not stop a picture
        text = f"{seed}\0{prompt}".encode(errors="surrogatepass")
        self._key = hashlib.sha256(text).digest()

    def stream(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(self._key + name.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest))
