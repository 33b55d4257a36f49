"""The verdict on a trial, whatever it was made of: what went wrong first, in a sentence."""

from __future__ import annotations

from typing import Any

from study.trial import model_sentence, sentence
from study.trial.model_design import ModelConfig
from study.trial.result import TrialResult


def verdict(result: TrialResult[Any]) -> str:
    """What went wrong first in a trial, and what came of it; positions are 0-based, updates numbered from 1."""
    if isinstance(result.config, ModelConfig):
        return model_sentence.verdict(result)
    return sentence.verdict(result)
