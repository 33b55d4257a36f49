"""Interactive plots of a study, for a page or a notebook: Optuna's own, and what Optuna cannot show of a survivor."""
