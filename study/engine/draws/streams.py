"""Streams of random numbers: one for each seed, purpose, part and update. Every draw of a trial comes from here.

**They give the same bits eagerly, in a graph and under XLA.** TensorFlow's own float draws do not: XLA turns
the random bits into uniforms and normals in another way than the other kernels. So only raw bits are drawn, by
`philox`, and everything made of them is exact in float32: comparisons, sorting, and normals from a table.

Reference of the generator: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy
as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from statistics import NormalDist

import numpy as np

from study.engine.draws import philox
from study.engine.runtime import tf
from study.engine.tensors import Scalar, Tensor


class Purpose(IntEnum):
    """What a stream is for. A new purpose gets a new number; changing one changes every trial."""

    INPUTS = 1
    LABELS = 2
    RECURRENT_DROPOUT = 3
    DROPOUT = 4
    WEIGHTS = 5
    TEACHER = 6


def bits(shape: Sequence[int], seed: Scalar, update: Scalar, purpose: Purpose, part: int = 0) -> Tensor:
    """Random uint32 of a stream of its own: (seed, purpose, part, update) map one to one on Philox's 128-bit seed.

    That seed is scrambled into key and counter by a round of Philox, as TensorFlow does it.
    """
    stream = (int(purpose) << 16 | part) << 31  # above the 31 bits of the trial's seed
    drawn = philox.bits((tf.cast(seed, tf.int64) + stream, tf.cast(update, tf.int64)), math.prod(shape))
    return tf.reshape(drawn, shape)


def uniform(drawn_bits: Tensor) -> Tensor:
    """Multiples of 2**-24 in [0, 1), float32: exact, as 24 bits fit the mantissa."""
    return tf.cast(tf.bitwise.right_shift(drawn_bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


BINS = 2**16
"""Of the table of normals, equally probable."""


@cache
def normal_table() -> tuple[np.ndarray, np.ndarray]:
    """Lower edges and widths of `BINS` bins of the standard normal that are equally probable.

    The two outermost bins, beyond 4.17 deviations, end where the variance of the whole is 1 (at about 4.6). Widths
    have 12 significant bits.
    """
    normal = NormalDist()
    edges = np.array([0.0] + [normal.inv_cdf(edge / BINS) for edge in range(BINS // 2 + 1, BINS)])
    # A uniform variable between a and b has the mean square (a*a + a*b + b*b) / 3.
    inner = np.sum(edges[:-1] ** 2 + edges[:-1] * edges[1:] + edges[1:] ** 2) / 3
    last = edges[-1]
    end = (-last + np.sqrt(last**2 - 4 * (last**2 - 3 * (BINS / 2 - inner)))) / 2
    edges = np.append(edges, end)
    edges = np.concatenate([-edges[:0:-1], edges])
    mantissa, exponent = np.frexp(np.diff(edges))
    widths = np.ldexp(np.round(mantissa * 2**12) / 2**12, exponent)
    return edges[:-1].astype(np.float32), widths.astype(np.float32)


def normal(drawn_bits: Tensor) -> Tensor:
    """Standard normals by the inverse distribution function, linear within each of 65536 equally probable bins.

    The upper 16 bits choose the bin and the lower 12 the place in it. Both factors of the one product have 12
    significant bits, so the product is exact and a fused multiply-add cannot change the sum: any compiler, on any
    device, gives the same bits, which no formula with a logarithm or a sine does.
    """
    edges, widths = normal_table()
    chosen = tf.cast(tf.bitwise.right_shift(drawn_bits, tf.constant(16, tf.uint32)), tf.int32)
    place = tf.cast(tf.bitwise.bitwise_and(drawn_bits, tf.constant(0xFFF, tf.uint32)), tf.float32) * 2.0**-12
    return tf.gather(edges, chosen) + place * tf.gather(widths, chosen)
