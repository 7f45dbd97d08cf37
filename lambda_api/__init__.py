"""The API behind API Gateway: accepts jobs, shows where they stand, hands out the pictures."""
