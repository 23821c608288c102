"""GitHub, and GitHub Enterprise Server: the webhook's dialect (pure), the requests (pure) and a thin shell that sends them."""
