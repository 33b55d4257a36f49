"""An update of a user's model walked again: the first number that was not finite, and where it came from.

To read in this order: `update` (what is run), `hooks` and `cells` (where Keras is in it), `recorder` (what TensorFlow
executes), `influence` and `origin` (which number was the first that did harm), `naming` and `describe` (in words).
"""

from study.models.walk.update import Walk, walk

__all__ = ["Walk", "walk"]
