"""Settings become objects, a module per kind of thing; `aiops/app.py` and `aiops/workers.py` put them together."""
