"""`Cell`: what a recurrent layer computes at a timestep, and all that the rest of the study asks of it.

A new cell is a subclass in a module of its own, an entry in `study.engine.cells.CELLS` and a choice of the axis `cell`.
`tests/engine/cells` puts every cell that is registered through the same tests.

Tensors of a timestep go by one name everywhere, from the arithmetic to an onset's sentence: of every gate
`input_projection` (the input's share of its sum, x W + b), `input_sum` (all that goes into its activation) and, as far
as the cell has them, `input_gate` and so on; and the states. `study.trial.words` says them in words.

Importing this module does not import TensorFlow: formulas are plain arithmetic, on tensors and on NumPy arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from study.engine.tensors import BatchUnits, Tensor
from study.trial.growth import FIGURES, STATE_FIGURES
from study.trial.words import EVENTS

Activate = Callable[[str, BatchUnits], BatchUnits]
"""The name of a tensor, and what goes into the activation that makes it -> that tensor."""

Differentiate = Callable[[str, BatchUnits], BatchUnits]
"""The name of a tensor that an activation has made, and its gradient -> that of what went into the activation."""

HIDDEN = "hidden_state"
"""The state that every cell has: what it puts out, and what its recurrent kernel multiplies."""

LARGEST_HIDDEN = f"largest |{HIDDEN} before|"
"""As an operand: of the sample's hidden state before the timestep."""


class Cell(ABC):
    """A kind of recurrent cell.

    With x the input of a timestep, h the hidden state before it, W the kernel, R the recurrent kernel, m one mask of
    the recurrent dropout a gate and b a bias, the study itself computes x W + b, the *projection* of every gate, for
    all timesteps at once, and at each timestep (h * m) R, the *recurrent product* of every gate, with a bias of its own
    where the cell has one. A cell says what becomes of the two, elementwise, and the way back through that.
    """

    name: ClassVar[str]
    """Its value of the axis `cell`. Layers are named after it: `lstm_1`."""

    keras_layer: ClassVar[str]
    """The name of Keras's layer, in `keras.layers` and for people: `LSTM`."""

    gates: ClassVar[tuple[str, ...]]
    """In the order of the columns of both kernels: what has a projection and a recurrent product. In
    `study.trial.words.GATES` they have their words."""

    states: ClassVar[Mapping[str, str]]
    """What a timestep hands to the next -> its symbol. `hidden_state` is the first of them; the others have to have
    their figures in `study.trial.growth.STATE_FIGURES` and their event in `study.trial.words.EVENTS`."""

    activated: ClassVar[tuple[str, ...]]
    """Tensors that the layer's `activation` makes; the `recurrent_activation` makes all others that one makes."""

    kept: ClassVar[tuple[str, ...]]
    """Tensors of every timestep that the way forward keeps: the states and all that `backward_step` reads. No other
    tensor but the sums and projections can be made of more than these."""

    made_of: ClassVar[Mapping[str, tuple[str, ...]]]
    """Tensor of `forward_step` -> its operands, which an onset shows: tensors of the same timestep, a state `before`
    it, or `LARGEST_HIDDEN` for a product over the units."""

    has_recurrent_activation: ClassVar[bool] = True
    """Whether some of its gates have the layer's `recurrent_activation`."""

    has_recurrent_bias: ClassVar[bool] = False
    """Whether its recurrent products have a bias. The weight `bias` then has two rows: the projections', and theirs."""

    constrained: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel")
    """Weights that the axis `max_norm` holds."""

    def __repr__(self) -> str:
        return self.name

    def weights(self, width: int, units: int) -> dict[str, tuple[int, ...]]:
        """Shapes of its weights, by the names that Keras's cell gives them.

        Args:
            width: Of the layer's input.
            units: Of the layer.
        """
        columns = len(self.gates) * units
        return {
            "kernel": (width, columns),
            "recurrent_kernel": (units, columns),
            "bias": (2, columns) if self.has_recurrent_bias else (columns,),
        }

    def initial_bias(self, units: int) -> np.ndarray:
        """The bias that a trial begins with, Keras's default: zeros unless a cell says otherwise."""
        return np.zeros(self.weights(1, units)["bias"], np.float32)

    def biases(self, bias: Tensor) -> tuple[Tensor, Tensor | None]:
        """The bias of the projections and that of the recurrent products, each (gates x units,)."""
        return (bias[0], bias[1]) if self.has_recurrent_bias else (bias, None)

    @property
    def events(self) -> tuple[str, ...]:
        """What an update is watched for: `EVENTS` without those of states that the cell does not have."""
        return tuple(event for event in EVENTS if event in self.states or event not in STATE_FIGURES)

    @property
    def figures(self) -> tuple[str, ...]:
        """What is taken of an update's growth: `FIGURES` without those of states that the cell does not have."""
        of_others = {name for state, names in STATE_FIGURES.items() if state not in self.states for name in names}
        return tuple(name for name in FIGURES if name not in of_others)

    @property
    def products(self) -> tuple[str, ...]:
        """For every gate the tensor whose gradient is that of its recurrent product: the sum that it is a term of,
        unless a cell does more with it than add it."""
        return tuple(f"{gate}_sum" for gate in self.gates)

    @abstractmethod
    def forward_step(
        self,
        projections: Sequence[BatchUnits],
        products: Sequence[BatchUnits],
        before: Mapping[str, BatchUnits],
        *,
        activate: Activate,
    ) -> dict[str, BatchUnits]:
        """One timestep, or all at once where the states before each are known: (timesteps, batch, units).

        Args:
            projections: Of every gate.
            products: Of every gate.
            before: The states before the timestep, by name.
            activate: The activation of a tensor.

        Returns:
            All tensors of the timestep in the order in which they are computed: sums, gates, states.
        """

    @abstractmethod
    def backward_step(
        self,
        gradients: Mapping[str, BatchUnits],
        *,
        kept: Mapping[str, BatchUnits],
        before: Mapping[str, BatchUnits],
        differentiate: Differentiate,
    ) -> tuple[dict[str, BatchUnits], dict[str, BatchUnits]]:
        """The same timestep on the way back.

        It multiplies where TensorFlow's own gradients do, so that 0 * inf is NaN here too.

        Args:
            gradients: Of the states after the timestep, by name.
            kept: Of `Cell.kept`, this timestep's values. What is not read costs nothing.
            before: The states before the timestep. What is not read costs nothing.
            differentiate: Takes a gradient back through the activation of a tensor.

        Returns:
            Gradients of this timestep's tensors in the order in which they are computed: of every sum, of all in
            `products`, and of states other than the hidden one. And the gradients of the states before it, without
            what comes back through the recurrent products; where there is nothing else, the hidden state is left out.
        """
