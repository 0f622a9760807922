"""The service: vocabulary, the two machines, their wiring, and every byte of I/O."""

__version__ = "0.1.0"
