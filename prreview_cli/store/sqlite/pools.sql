-- The pools that beat.

-- name: beat
INSERT OR REPLACE INTO pool (worker, pid, slots, at, model_calls_in_flight)
VALUES (:worker, :pid, :slots, :at, :model_calls_in_flight);

-- name: leave
DELETE FROM pool WHERE worker = :worker;

-- name: alive
SELECT * FROM pool WHERE at >= :since ORDER BY worker;
