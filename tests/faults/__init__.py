"""Faults done on purpose to the real command: killed, short of disk, fed damaged files."""
