"""Figures of a study: one kind a module, each a `study.report.figures.drawing.Drawing` with a caption.

Where the data have nothing to show, there is no figure, and the caption says why.
"""
