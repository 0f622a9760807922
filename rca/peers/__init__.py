"""Simpler rankers, to compare with: published ideas in their plainest form, each in one file."""
