"""Kinds of samples: standard Python values, numpy arrays, pandas data frames, and a base for the user's own."""
