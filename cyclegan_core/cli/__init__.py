"""The command line, `python -m cyclegan_core`."""
