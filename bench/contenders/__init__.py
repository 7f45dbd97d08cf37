"""What is measured against each other; each runs in a process of its own."""
