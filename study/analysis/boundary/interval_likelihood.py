"""The likelihood of a number that is known to lie in an interval, and its derivatives.

With y = f + noise, noise normal with deviation s, and l < y <= u all that is known of y, the likelihood of f is
Phi(b) - Phi(a) with a = (l - f)/s and b = (u - f)/s, where Phi is the normal distribution. It is concave in f. An open
end is an infinite l or u: a right-censored time has u = inf. The derivatives below follow by the quotient rule from
A_k = (a^k phi(a) - b^k phi(b)) / (Phi(b) - Phi(a)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    """Of the log-likelihood, all of shape (trials,).

    Attributes:
        value: The log-likelihood.
        first: Its derivative in f.
        curvature: Minus its second derivative in f, between 0 and 1/s^2.
        third: Its third derivative in f.
        by_noise: Derivative in log s.
        first_by_noise: Of `first` in log s.
        curvature_by_noise: Of `curvature` in log s.
    """

    value: Floats
    first: Floats
    curvature: Floats
    third: Floats
    by_noise: Floats
    first_by_noise: Floats
    curvature_by_noise: Floats


def derivatives(f: Floats, *, low: Floats, high: Floats, noise: Floats | float) -> Derivatives:
    """The log-likelihood of f and its derivatives.

    Args:
        f: Shape (trials,).
        low: Lower ends, -inf where open.
        high: Upper ends, inf where open; larger than `low`.
        noise: The deviation s; one for all, or shape (trials,).
    """
    a, b = (low - f) / noise, (high - f) / noise
    # In the upper tail both distributions are 1 but for rounding: there the mirrored interval is as good.
    mirrored = a > 0
    lower, upper = np.where(mirrored, -b, a), np.where(mirrored, -a, b)
    log_upper, log_lower = log_ndtr(upper), log_ndtr(lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = log_upper + np.log1p(-np.exp(np.minimum(log_lower - log_upper, -1e-300)))
    at_low, at_high = _density(a, value), _density(b, value)
    a, b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
    a0, a1, a2, a3 = (a**k * at_low - b**k * at_high for k in range(4))
    first = a0 / noise
    second = (a1 - a0**2) / noise**2
    d_a0, d_a1 = a1 - a0**2, a2 - a0 - a0 * a1
    third = (d_a1 - 2 * a0 * d_a0) / noise**3
    a0_by, a1_by = a2 - a0 * a1, a3 - a1 - a1**2
    return Derivatives(
        value=value,
        first=first,
        curvature=np.clip(-second, 1e-12, 1 / noise**2),
        third=third,
        by_noise=a1,
        first_by_noise=a0_by / noise - first,
        curvature_by_noise=-((a1_by - 2 * a0 * a0_by) / noise**2 - 2 * second),
    )


def _density(z: Floats, log_probability: Floats) -> Floats:
    """The normal density at z over a probability; 0 at infinity."""
    finite = np.where(np.isfinite(z), z, 0.0)
    logarithm = -0.5 * finite**2 - 0.5 * np.log(2 * np.pi) - log_probability
    return np.where(np.isfinite(z), np.exp(np.minimum(logarithm, 50.0)), 0.0)
