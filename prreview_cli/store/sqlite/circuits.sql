-- Outages, limits and turns. That a claim obeys them stands in jobs.sql.

-- name: circuit
SELECT * FROM circuit WHERE service = :service;

-- name: keep
UPDATE circuit SET
    failures = :failures, since = :since, until = :until, limited_until = :limited_until, reason = :reason,
    noted = :noted, probe_job = :probe_job, probe_claim = :probe_claim
WHERE service = :service;

-- name: probe
-- The job just taken is the one that asks for all, where a service was down.
UPDATE circuit SET probe_job = :id, probe_claim = :claim WHERE since IS NOT NULL;

-- name: taken
SELECT last, whole FROM write_turn;

-- name: take
INSERT OR REPLACE INTO write_turn (id, last, whole) VALUES (1, :last, :whole);
