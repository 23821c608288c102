-- What is known of the services that a review needs (core/circuit.py), a row each. `since`: it is taken for down.
CREATE TABLE circuit (
    service TEXT PRIMARY KEY CHECK (service IN ('model', 'host')),
    failures INTEGER NOT NULL DEFAULT 0,
    since INTEGER,
    until INTEGER,
    limited_until INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    probe_job INTEGER,
    probe_claim INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO circuit (service) VALUES ('model'), ('host');

-- Until when no job may be taken, and whether one that was taken on trial still runs.
CREATE VIEW barrier AS
SELECT max(ifnull(until, 0), ifnull(limited_until, 0)) AS until,
       since IS NOT NULL AND EXISTS (
           SELECT 1 FROM job AS probe
           WHERE probe.id = circuit.probe_job AND probe.claim = circuit.probe_claim AND probe.state = 'running'
       ) AS probed
FROM circuit;

-- The last turn to write to the host that was given away, and when the budget is whole again (core/pace.py).
CREATE TABLE write_turn (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER,
    whole INTEGER
) STRICT;
