"""A model of the user's own: its watched training step, and the walk through the update that was not finite."""
