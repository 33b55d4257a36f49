"""Analysis of a study's results table: pandas in, numbers and figures out.

Nothing here imports TensorFlow, MLflow or Optuna; a table read from a CSV or Parquet file does as well as one read from
the store.
"""
