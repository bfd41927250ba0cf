"""HTTP to the CAVE servers: URLs, sessions, batches of requests, and what the responses mean."""
