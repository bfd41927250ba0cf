"""This computer: its platform, installed packages, proxies, and files that shadow a package."""
