"""Causes of a training's NaN. See `base`."""

from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.causes.exploding_gradient import ExplodingGradient
from study.diagnosis.causes.initial_weights import InitialWeights
from study.diagnosis.causes.learning_rate_too_high import LearningRateTooHigh
from study.diagnosis.causes.loss_out_of_domain import LossOutOfDomain
from study.diagnosis.causes.nonfinite_data import NonfiniteData
from study.diagnosis.causes.operation_out_of_domain import OperationOutOfDomain
from study.diagnosis.causes.optimizer_division import OptimizerDivision
from study.diagnosis.causes.precision_overflow import PrecisionOverflow
from study.diagnosis.causes.singular_gradient import SingularGradient
from study.diagnosis.causes.unbounded_recurrence import UnboundedRecurrence
from study.diagnosis.causes.unscaled_data import UnscaledData

CAUSES: tuple[Cause, ...] = (
    NonfiniteData(),
    UnscaledData(),
    UnboundedRecurrence(),
    LearningRateTooHigh(),
    ExplodingGradient(),
    LossOutOfDomain(),
    OperationOutOfDomain(),
    SingularGradient(),
    PrecisionOverflow(),
    OptimizerDivision(),
    InitialWeights(),
)

__all__ = ["CAUSES", "Cause", "Finding"]
