"""The pages that the commands show."""
