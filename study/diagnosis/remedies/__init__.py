"""Remedies: changes to a model that is ready to train. See `base`."""

from study.diagnosis.remedies.axis import OtherValue
from study.diagnosis.remedies.base import CannotChange, Remedy
from study.diagnosis.remedies.data import GapsFilled, RowsLeftOut, Standardised
from study.diagnosis.remedies.layers import BoundedActivation, Float32, FromLogits, Normalised, SmallerInitialWeights
from study.diagnosis.remedies.named import LineOfCode
from study.diagnosis.remedies.optimizer import ClipNorm, Epsilon, LearningRate

__all__ = [
    "BoundedActivation",
    "CannotChange",
    "ClipNorm",
    "Epsilon",
    "Float32",
    "FromLogits",
    "GapsFilled",
    "LearningRate",
    "LineOfCode",
    "Normalised",
    "OtherValue",
    "Remedy",
    "RowsLeftOut",
    "SmallerInitialWeights",
    "Standardised",
]
