"""The pages of the commands."""
