"""The checks of `drill`, one file a check: each needs so many pull requests (`PULLS`), and judges by what the simulators saw."""
