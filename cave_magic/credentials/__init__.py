"""Tokens on this computer: finding and saving token files, the datastack map, and scrubbing typed tokens."""
