"""Several daemons in networks of their own."""
