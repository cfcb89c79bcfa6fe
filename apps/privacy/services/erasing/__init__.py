"""Erasing somebody (spec D8): what it covers, what becomes of it, whether it is gone."""
