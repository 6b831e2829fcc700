"""Benchmarks: the figures that podwire promises, measured on this machine beside a floor of the same run."""
