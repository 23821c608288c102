# `just check` is exactly what CI runs. Without just: copy the lines.
python := ".venv/bin/python"

# All that must be green before a change lands.
check: lint types imports locks completions-current errors-current test

lint:
    {{python}} -m ruff format --check .
    {{python}} -m ruff check .

types:
    {{python}} -m mypy

imports:
    .venv/bin/lint-imports

# The lock files must fit pyproject.toml.
locks:
    {{python}} tools/locks.py --check

completions-current:
    {{python}} tools/completions.py --check

errors-current:
    {{python}} tools/errors_table.py --check

test:
    {{python}} -m pytest -n 2

# Random kills, as CI makes them; docs/how-to/load-test-kills.md has the soak.
kills rounds="100":
    .venv/bin/prreview load-test --agent scripted --burst 4 --kill-worker --kill-server --rounds {{rounds}}

# The lines that no test reaches; children are counted too.
coverage:
    {{python}} -m coverage erase
    {{python}} -m coverage run -m pytest
    {{python}} -m coverage combine
    {{python}} -m coverage report

# Write the lock files anew from pyproject.toml.
lock:
    {{python}} tools/locks.py

# Write the shells' completion scripts anew.
completions:
    {{python}} tools/completions.py

# Write the table of errors anew from the code.
errors:
    {{python}} tools/errors_table.py

# Fill the table of threats in SECURITY.md anew from the tests; a test holds the two together.
threats:
    {{python}} tools/threats_table.py
