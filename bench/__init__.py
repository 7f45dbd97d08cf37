"""Measurements that a person can repeat: `make bench-…`."""
