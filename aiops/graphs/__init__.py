"""Where the service graph comes from."""
