"""The HTTP side: API, receivers and pages."""
