"""The worker: takes jobs off the queue, runs Stable Diffusion XL, stores the pictures."""
