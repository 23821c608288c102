"""Trials: a real server process, real workers and simulated neighbours, judged from outside by the promises."""
