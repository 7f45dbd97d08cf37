"""Single faults put into sound templates, to prove that the gates catch them."""
