"""The rules of prreview: pure, without input or output and without a third-party import."""
