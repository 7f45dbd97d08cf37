"""`gameforge doctor`: whether a deployment could work with these credentials, here, and what to do if not."""
