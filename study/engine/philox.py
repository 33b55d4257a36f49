"""Philox4x32-10 over plain tensors: TensorFlow's stateless draws of many trials at once, each from a seed of its own.

TensorFlow's operations draw from one seed. These functions give the same bits, of whole numbers only, so that every
compiler and device agrees.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from study.engine.runtime import tf

Tensor: TypeAlias = Any

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The generator itself: of a counter of four words and a key of two, uint32, elementwise, four words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high_0, low_0 = _product(_MULTIPLIERS[0], c0)
        high_1, low_1 = _product(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = _xor(high_1, c1, k0), low_1, _xor(high_0, c3, k1), low_0
        k0, k1 = k0 + tf.constant(_WEYL[0], tf.uint32), k1 + tf.constant(_WEYL[1], tf.uint32)
    return c0, c1, c2, c3


def _product(factor: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """High and low word of a product."""
    return _words(tf.constant(factor, tf.uint64) * tf.cast(word, tf.uint64))[::-1]


def _words(number: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high word of a uint64."""
    low = tf.bitwise.bitwise_and(number, tf.constant(0xFFFFFFFF, tf.uint64))
    high = tf.bitwise.right_shift(number, tf.constant(32, tf.uint64))
    return tf.cast(low, tf.uint32), tf.cast(high, tf.uint32)


def _of_words(low: Tensor, high: Tensor) -> Tensor:
    """The uint64 of a low and a high word."""
    shifted = tf.bitwise.left_shift(tf.cast(high, tf.uint64), tf.constant(32, tf.uint64))
    return tf.bitwise.bitwise_or(shifted, tf.cast(low, tf.uint64))


def _xor(*words: Tensor) -> Tensor:
    first, second, third = words
    return tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(first, second), third)


def key_and_counter(seeds: Tensor) -> tuple[Tensor, Tensor]:
    """What TensorFlow makes of the seeds of stateless draws, one a trial: `GenerateKey` of its `random_ops_util`.

    Args:
        seeds: int64, (trials, 2).

    Returns:
        uint64, (trials, 1) and (trials, 2): as `StatelessRandomGetKeyCounter` gives them for Philox.
    """
    seeds = tf.bitcast(seeds, tf.uint64)
    counter = [*_words(seeds[:, 0]), *_words(seeds[:, 1])]
    mixed = philox(counter, [tf.constant(word, tf.uint32) for word in _SCRAMBLING_KEY])
    key, upper = _of_words(mixed[0], mixed[1]), _of_words(mixed[2], mixed[3])
    return key[:, tf.newaxis], tf.stack([tf.zeros_like(upper), upper], axis=1)


def bits(key: Tensor, counter: Tensor, count: int) -> Tensor:
    """Random bits of every trial, as `StatelessRandomUniformFullIntV2` draws them with Philox.

    Args:
        key: uint64, (trials, 1).
        counter: uint64, (trials, 2), whose lower half is 0 at first, as `key_and_counter` gives it.
        count: How many, no more than 2**32.

    Returns:
        uint32, (trials, count).
    """
    blocks = -(-count // 4)
    low = counter[:, :1] + tf.cast(tf.range(blocks), tf.uint64)[tf.newaxis]
    words = philox([*_words(low), *_words(counter[:, 1:])], _words(key))
    shape = [key.shape[0], blocks]
    return tf.reshape(tf.stack([tf.broadcast_to(word, shape) for word in words], axis=2), [shape[0], -1])[:, :count]
