"""The anatomy of a NaN: one trial, update by update, as one self-contained HTML page.

Read `reduce` (what is kept of a tensor), `dissection` (what is kept of a trial), `figures`, `page` and `exemplary`. The
replay that fills them is `study.engine.dissect`; nothing here imports TensorFlow or MLflow.
"""
