"""Machine 1: samples in, what is new about anomalies out; `machine.py` puts the other modules together.

Nothing is imported here: the pages and the store want the accepted levels, and neither detectors nor numba.
"""
