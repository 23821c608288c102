"""The verbs' work, on ports only."""
