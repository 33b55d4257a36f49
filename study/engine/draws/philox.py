"""Philox4x32-10 over plain tensors, of whole numbers only, so that every compiler and device agrees.

The bits are those of TensorFlow's stateless draws in another order: there the four words of a block stand next to each
other, here all first words come first. Under XLA that order is drawn five times faster on CPUs, and plain operations
can draw for many trials at once.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.engine.runtime import tf
from study.engine.tensors import Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The generator itself: of a counter of four words and a key of two, uint32, elementwise, four words."""

    def once(number: Tensor, c0: Tensor, c1: Tensor, c2: Tensor, c3: Tensor, k0: Tensor, k1: Tensor) -> Any:
        high_0, low_0 = _product(_MULTIPLIERS[0], c0)
        high_1, low_1 = _product(_MULTIPLIERS[1], c2)
        words = _xor(high_1, c1, k0), low_1, _xor(high_0, c3, k1), low_0
        return number + 1, *words, k0 + tf.constant(_WEYL[0], tf.uint32), k1 + tf.constant(_WEYL[1], tf.uint32)

    # A loop, since XLA would work out all rounds anew for every word that is asked for.
    done = tf.while_loop(lambda number, *_: number < _ROUNDS, once, [tf.constant(0), *counter, *key])
    return tuple(done[1:5])


def _product(factor: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """High and low word of a product."""
    return _words(tf.constant(factor, tf.uint64) * tf.cast(word, tf.uint64))[::-1]


def _words(number: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high word of a uint64."""
    low = tf.bitwise.bitwise_and(number, tf.constant(0xFFFFFFFF, tf.uint64))
    high = tf.bitwise.right_shift(number, tf.constant(32, tf.uint64))
    return tf.cast(low, tf.uint32), tf.cast(high, tf.uint32)


def _xor(*words: Tensor) -> Tensor:
    first, second, third = words
    return tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(first, second), third)


def key_and_counter(seed: Sequence[Tensor]) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What TensorFlow makes of the seed of stateless draws: `GenerateKey` of its `random_ops_util`.

    Args:
        seed: Two numbers, int64.

    Returns:
        The key, and the upper half of the counter, whose lower half is 0 at first: each its low and high word, uint32.
    """
    counter = [word for number in seed for word in _words(tf.bitcast(number, tf.uint64))]
    mixed = philox(counter, [tf.constant(word, tf.uint32) for word in _SCRAMBLING_KEY])
    return mixed[:2], mixed[2:]


def bits(seed: Sequence[Tensor], count: int) -> Tensor:
    """Random bits: of `tf.random.stateless_uniform`'s blocks of four words the first words, then the second and so on.

    Args:
        seed: Two numbers, int64.
        count: How many, no more than 2**32.

    Returns:
        uint32, (count,).
    """
    if tf.executing_eagerly():
        # Operation by operation, the rounds' dispatch would take ten times longer than their arithmetic.
        return _bits_in_graph(*seed, tf.constant(count, tf.int64))
    return _bits(seed, count)


@tf.function(autograph=False)  # type: ignore[untyped-decorator]
def _bits_in_graph(first: Tensor, second: Tensor, count: Tensor) -> Tensor:
    return _bits((first, second), count)


def _bits(seed: Sequence[Tensor], count: int | Tensor) -> Tensor:
    key, upper = key_and_counter(seed)
    blocks = -(-count // 4)
    number = tf.cast(tf.range(blocks), tf.uint32)
    zeros = tf.zeros_like(number)
    words = philox([number, zeros, *(half + zeros for half in upper)], key)
    return tf.concat(words, axis=0)[:count]
