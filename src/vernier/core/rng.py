"""Keyed randomness: a draw depends on the document, the seed and a purpose, never on order, shard or worker."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which each bit depends on all."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def bits(ids: NDArray[np.uint64], seed: int, purpose: str) -> NDArray[np.uint64]:
    """64 keyed random bits for each 128-bit id. ids: uint64 [N, 2] -> uint64 [N]."""
    raw = hashlib.blake2b(purpose.encode(), digest_size=16, key=seed.to_bytes(8, "little", signed=True)).digest()
    k0, k1 = np.frombuffer(raw, np.uint64)
    with np.errstate(over="ignore"):
        return _mix(_mix(_mix(ids[:, 0] ^ k0) ^ ids[:, 1]) ^ k1)


def uniform(ids: NDArray[np.uint64], seed: int, purpose: str) -> NDArray[np.float64]:
    """Keyed uniform draws in the open interval (0, 1), float64 [N], with 52 random bits each."""
    return ((bits(ids, seed, purpose) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def gumbel(ids: NDArray[np.uint64], seed: int, purpose: str) -> NDArray[np.float64]:
    """Keyed standard Gumbel draws, float64 [N]."""
    return -np.log(-np.log(uniform(ids, seed, purpose)))


def id_of(text: str) -> bytes:
    """128 bits that stand for a string (a group name, a path): blake2b-128."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
