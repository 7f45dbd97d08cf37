"""The command line: generate pictures, and look after the system that makes them."""
