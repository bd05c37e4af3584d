"""The Hilbert curve: an order of points in a box in which neighbours in the order are neighbours in space."""

import numpy as np

_BITS = {1: 32, 2: 20, 3: 16}


def hilbert_order(X: np.ndarray) -> np.ndarray:
    """The permutation that sorts points X (n, d) along the Hilbert curve of their bounding box (Skilling 2004)."""
    n, d = X.shape
    bits = _BITS.get(d, 62 // d)
    lo, hi = X.min(0), X.max(0)
    scale = np.where(hi > lo, hi - lo, 1.0)
    cells = np.minimum(((X - lo) / scale * 2**bits).astype(np.uint64), np.uint64(2**bits - 1))
    if d == 1:
        return np.argsort(cells[:, 0], kind="stable")
    return np.argsort(_index(cells.T.copy(), bits), kind="stable")


def _index(x: np.ndarray, bits: int) -> np.ndarray:
    """Distance along the curve of integer cells x (d, n)."""
    d = len(x)
    q = np.uint64(1 << (bits - 1))
    one = np.uint64(1)
    while q > 1:
        p = q - one
        for i in range(d):
            high = (x[i] & q) != 0
            flip = np.where(high, p, np.uint64(0))
            x[0] ^= flip
            swap = np.where(high, np.uint64(0), (x[0] ^ x[i]) & p)
            x[0] ^= swap
            x[i] ^= swap
        q >>= one
    for i in range(1, d):
        x[i] ^= x[i - 1]
    t = np.zeros_like(x[0])
    q = np.uint64(1 << (bits - 1))
    while q > 1:
        t = np.where((x[-1] & q) != 0, t ^ (q - one), t)
        q >>= one
    x ^= t
    index = np.zeros_like(x[0])
    for bit in reversed(range(bits)):
        for i in range(d):
            index = (index << one) | ((x[i] >> np.uint64(bit)) & one)
    return index
