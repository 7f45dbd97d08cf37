"""What the API and the worker share: the request schema, the job record, its store and queue, names and log fields."""
