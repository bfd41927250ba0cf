"""The diagnosis behind `%cave_check`: gather the facts, run the checks, say what fixes the first cause."""
