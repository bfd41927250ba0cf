"""Tokens on this computer: the files that hold them, saving, the datastack map, and scrubbing what was typed."""
