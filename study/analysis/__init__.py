"""What a study has found, from its results table alone: numbers, tidy tables and figures.

One results table goes in (`study.analysis.table` describes its columns), frozen dataclasses, data frames and figures
come out. Nothing here knows TensorFlow, MLflow or Optuna, so a table that was written to a file years ago is analysed
like one that was read from the store a second ago.
"""
