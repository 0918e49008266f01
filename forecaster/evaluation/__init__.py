"""How good a model is, on later data only: folds, scores, calibrated bands, which model serves and why, plots."""
