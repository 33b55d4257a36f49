"""What a compiled program is made for. Importing this module does not import TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from study.trial.config import NONE, TrialConfig

DIRECTIONS = ("forward", "backward")
"""Of a bidirectional layer; a layer that is not has only the first."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What a compiled program is made for: shapes, and the wiring that is not worth choosing at run time."""

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

    @classmethod
    def of(cls, config: TrialConfig) -> Structure:
        return cls(**{name: getattr(config, name) for name in cls.__dataclass_fields__})

    @property
    def directions(self) -> tuple[str, ...]:
        return DIRECTIONS if self.bidirectional else DIRECTIONS[:1]

    @property
    def width(self) -> int:
        """Width of an LSTM layer's output."""
        return self.units * len(self.directions)

    def cells(self) -> list[str]:
        """Names of all LSTM cells, in order."""
        return [f"lstm_{layer}/{direction}" for layer in range(1, self.layers + 1) for direction in self.directions]

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
        for layer in range(1, self.layers + 1):
            shapes |= {f"lstm_{layer}_norm/gamma": (width,), f"lstm_{layer}_norm/beta": (width,)}
            for direction in self.directions:
                name = f"lstm_{layer}/{direction}"
                shapes[f"{name}/kernel"] = (width, 4 * self.units)
                shapes[f"{name}/recurrent_kernel"] = (self.units, 4 * self.units)
                shapes[f"{name}/bias"] = (4 * self.units,)
            width = self.width
        shapes |= {"output_norm/gamma": (width,), "output_norm/beta": (width,)}
        shapes |= {"dense/kernel": (width, 1), "dense/bias": (1,)}
        return shapes
