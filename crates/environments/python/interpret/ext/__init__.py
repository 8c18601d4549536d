"""Explainers: ``blackbox.TabularExplainer``."""
