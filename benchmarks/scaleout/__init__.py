"""N cold nodes against one: a fleet of daemons in the lab, the bound of DESIGN section 9, and what others would do."""
