"""Runs a user's scoring script, or an MLflow model, in a process of its own.

The server starts ``python -m portcullis_worker --socket PATH --entry score.py`` and talks to it in frames over a
Unix socket (``frames`` says how). The user's ``init()`` runs once, ``run()`` once a call. Nothing here needs more
than the standard library; numpy, pandas and MLflow are used only when the script brings them.
"""
