-- The kill switch, and what the workers asked the host once.

-- name: paused
SELECT reason, since, until FROM pause WHERE until IS NULL OR until > :now;

-- name: pause
INSERT OR REPLACE INTO pause (id, reason, since, until) VALUES (1, :reason, :since, :until);

-- name: resume
DELETE FROM pause;

-- name: remember
INSERT OR REPLACE INTO meta (key, value) VALUES (:key, :value);

-- name: remembered
SELECT value FROM meta WHERE key = :key;
