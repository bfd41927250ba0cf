"""Pages as data, and how they are drawn in notebooks and terminals. Knows nothing about CAVE."""
