"""The anatomy of a NaN: one trial, update by update, as one self-contained HTML page.

Read `reduce` (what is kept of a tensor), `anatomy` (what is kept of a trial), `figures` and `page`; then `write`,
`task` and `exemplary` (who asks for a page). The replay that fills them is `study.engine.onset.anatomy`; nothing here
imports TensorFlow at import, or MLflow at all.
"""
