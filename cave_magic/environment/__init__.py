"""This computer: the platform that the kernel runs on, installed packages, proxies, files that shadow a package."""
