"""Random numbers that are functions of what they are for, so that no draw depends on the order of the draws."""

import hashlib

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_U64 = np.uint64


def bits(*parts: object) -> int:
    """64 bits of a hash of `parts`."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(*parts: object) -> float:
    """A number in (0, 1), even over all `parts`: 52 bits of a hash, in the middle of their step."""
    # With a bit more the last step would be rounded to 1.
    return ((bits(*parts) >> 12) + 0.5) / 2**52


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2⁶²) for what `parts` name."""
    return bits(*parts) >> 2


def uniforms(seed: int, way: str, keys: I64) -> F64:
    """A number in (0, 1) for each of `keys`, of any number of them at once.

    The finaliser of SplitMix64 over key and seed (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators").
    """
    start = _U64(derived_seed(seed, way))
    mixed = keys.astype(_U64) * _U64(0x9E3779B97F4A7C15) + start
    mixed = (mixed ^ (mixed >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> _U64(27))) * _U64(0x94D049BB133111EB)
    mixed ^= mixed >> _U64(31)
    return ((mixed >> _U64(12)).astype(np.float64) + 0.5) / 2**52


def normals(seed: int, way: str, keys: I64) -> F64:
    """A standard normal number for each of `keys` (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(uniforms(seed, f"{way} radius", keys)))
    drawn: F64 = radius * np.cos(2.0 * np.pi * uniforms(seed, f"{way} angle", keys))
    return drawn
