"""Deals on their way through a pipeline."""
