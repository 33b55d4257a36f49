"""What a compiled program is made for. Importing this module does not import TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from study.engine.cells import CELLS
from study.engine.cells.base import Cell
from study.trial.axes import NONE
from study.trial.config import TrialConfig

DIRECTIONS = ("forward", "backward")
"""Of a bidirectional layer; a layer that is not has only the first."""


def layer_name(cell: str, number: int) -> str:
    """Name of a recurrent layer, which its weights, masks and onsets have too.

    Args:
        cell: As the axis `cell` names it.
        number: From 1.
    """
    return f"{cell}_{number}"


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What a compiled program is made for: shapes, and the wiring that is not worth choosing at run time."""

    cell: Cell
    units: int
    layers: int
    timesteps: int
    features: int
    batch_size: int
    bidirectional: bool
    front_end: str
    recurrent_activation: str
    semantics: str
    optimizer: str
    task: str

    @classmethod
    def of(cls, config: TrialConfig) -> Structure:
        others = {name: getattr(config, name) for name in cls.__dataclass_fields__ if name != "cell"}
        return cls(cell=CELLS[config.cell], **others)

    @property
    def directions(self) -> tuple[str, ...]:
        return DIRECTIONS if self.bidirectional else DIRECTIONS[:1]

    @property
    def width(self) -> int:
        """Width of a recurrent layer's output."""
        return self.units * len(self.directions)

    def layer_names(self) -> list[str]:
        """Names of the recurrent layers, in order: `lstm_1` and so on."""
        return [layer_name(self.cell.name, number) for number in range(1, self.layers + 1)]

    def recurrences(self) -> list[str]:
        """Names of all directions of the recurrent layers, in order: `lstm_1/forward` and so on."""
        return [f"{layer}/{direction}" for layer in self.layer_names() for direction in self.directions]

    def constrained(self) -> set[str]:
        """Weights that the axis `max_norm` holds."""
        return {f"{recurrence}/{weight}" for recurrence in self.recurrences() for weight in self.cell.constrained}

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights of any wiring, by name; names are those of `batches.initial_weights`."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.front_end != NONE:
            shapes |= {
                "front_end/kernel": (3, self.features, self.features),
                "front_end/bias": (self.features,),
                "front_end_norm/gamma": (self.features,),
                "front_end_norm/beta": (self.features,),
            }
        width = self.features
        for layer in self.layer_names():
            shapes |= {f"{layer}_norm/gamma": (width,), f"{layer}_norm/beta": (width,)}
            for direction in self.directions:
                of_cell = self.cell.weights(width, self.units)
                shapes |= {f"{layer}/{direction}/{name}": shape for name, shape in of_cell.items()}
            width = self.width
        shapes |= {"output_norm/gamma": (width,), "output_norm/beta": (width,)}
        shapes |= {"dense/kernel": (width, 1), "dense/bias": (1,)}
        return shapes
