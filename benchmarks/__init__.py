"""What is measured, how, and against what: ``make bench`` (docs/benchmarks.md)."""
