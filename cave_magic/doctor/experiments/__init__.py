"""Experiments: a request that failed is sent again with one circumstance changed, always without a token."""
