"""Adapters to the services of others: one package per need, one file per vendor."""
