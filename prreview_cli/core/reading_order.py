"""In which order changed files are read when not all of them fit: where faults matter most first."""

from __future__ import annotations

from fnmatch import fnmatchcase

_MACHINE_MADE = frozenset({"vendor", "node_modules", "third_party", "dist", "generated", "__generated__", "__snapshots__"})
_MACHINE_MADE_NAMES = (
    *("*.lock", "*-lock.json", "*-lock.yaml", "go.sum", "npm-shrinkwrap.json"),
    *("*.min.js", "*.min.css", "*.map", "*.snap", "*.svg", "*.pb.go", "*_pb2.py", "*.generated.*", "*.g.dart"),
)
_TESTS = frozenset({"test", "tests", "__tests__", "spec", "specs", "testdata", "fixtures"})
_TEST_NAMES = ("test_*", "*_test.*", "*.test.*", "*.spec.*", "*_spec.*", "*Test.java", "*Tests.cs", "conftest.py")


def rank(path: str) -> int:
    """0: code and all that is not known better; 1: tests; 2: what machines write. Sort by it, stably."""
    *folders, file = path.split("/")
    if not _MACHINE_MADE.isdisjoint(folders) or any(fnmatchcase(file, glob) for glob in _MACHINE_MADE_NAMES):
        return 2
    if not _TESTS.isdisjoint(folders) or any(fnmatchcase(file, glob) for glob in _TEST_NAMES):
        return 1
    return 0
