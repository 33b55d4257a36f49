"""Diagnosis: why a user's model goes to NaN, by measurement, and what holds against it, by running it.

To read in this order: `case` (what is measured of a model), `causes` (what each cause concludes from it), `remedies`
(changes to a prepared model), `bench` (runs them, in processes of its own), `loop` (the whole way), `result`. `example`
does for the minimal example what `examine` and `apply` do for a model file, and `measured_cause` runs no remedy.
"""
