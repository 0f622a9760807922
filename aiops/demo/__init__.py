"""A simulated shop that sends its metrics over HTTP like any other sender."""
