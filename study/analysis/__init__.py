"""Analysis of a study: the results table in, numbers in frozen dataclasses, tables and figures out.

It knows pandas, and neither TensorFlow nor MLflow nor Optuna. Read `table` (what a table holds), then the question:
`survival` (how long until a NaN), `boundary` and `phase_diagram` (where), `importance` (what moves it), `claims`.
"""
