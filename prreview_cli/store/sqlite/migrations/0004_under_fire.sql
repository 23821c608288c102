-- A lease is over when nobody has renewed it for its length, as each observer measures by itself (store/leases.py):
-- what is kept is its length and how often it was renewed, and not a time of day at which it ends.
DROP INDEX job_leased;
ALTER TABLE job RENAME COLUMN lease_until TO lease;
ALTER TABLE job ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0;
UPDATE job SET lease = 30000 WHERE state = 'running';

-- Scheduled jobs whose wait began in the future: the clock was set back since.
CREATE INDEX job_set_back ON job (updated) WHERE state = 'scheduled';

-- How many claims in a row have left a ready job of a lower priority behind.
CREATE TABLE overtaking (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    claims INTEGER NOT NULL
) STRICT;
INSERT INTO overtaking (id, claims) VALUES (1, 0);

-- The first job of a repository in the order of claims, so that a full repository is passed over and not walked through.
DROP INDEX job_turn;
CREATE INDEX job_turn ON job (repository_id, priority DESC, tag, id) WHERE state = 'queued';

-- Since when the longest waiting job has been due: asked for at every look at the metrics.
CREATE INDEX job_due ON job (due) WHERE state = 'queued';

-- What is paid for is kept for a year, and found by its age after that.
CREATE INDEX review_stored ON review (stored);
CREATE INDEX spend_reserved ON spend (reserved);
