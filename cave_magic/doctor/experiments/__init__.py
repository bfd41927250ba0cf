"""Experiments: a failed request is sent again with one thing changed, always without the token."""
