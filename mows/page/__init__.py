"""The status page: one file, served as it is. Knows nothing but the routes it reads."""
