-- Times are milliseconds since 1970 in UTC, money is nano-USD: integers, so that sums are exact.

-- What the database belongs to, and small things to remember.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of a pull request. Only the job whose generation is the pull request's may go on.
-- `updated_at` is the host's own time; `head_sha` is the newest head, if one was heard of.
CREATE TABLE pull_request (
    repository_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    head_sha TEXT,
    updated_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    cancelled TEXT,
    last_began INTEGER,
    min_interval INTEGER NOT NULL,
    PRIMARY KEY (repository_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    number INTEGER NOT NULL,
    head_sha TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'scheduled', 'running', 'posted', 'skipped', 'superseded', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    claim INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    author TEXT NOT NULL,
    admitted INTEGER NOT NULL,
    reviewed INTEGER NOT NULL DEFAULT 0,
    review_id TEXT,
    reason TEXT,
    failure TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    due INTEGER,
    worker TEXT,
    lease_until INTEGER,
    UNIQUE (repository_id, number, head_sha, run)
) STRICT;

-- The two laws of core/job.py.
CREATE UNIQUE INDEX job_one_waiting ON job (repository_id, number) WHERE state IN ('queued', 'scheduled');
CREATE UNIQUE INDEX job_one_running ON job (repository_id, number) WHERE state = 'running';

-- Ready, scheduled, leased and at rest are kept apart, so that a claim costs the same behind a million jobs.
-- An index over all states would tempt the planner away from these: do not add one.
CREATE INDEX job_ready ON job (priority DESC, tag, id) WHERE state = 'queued';
CREATE INDEX job_turn ON job (repository_id, priority, tag, due) WHERE state = 'queued';
CREATE INDEX job_scheduled ON job (due) WHERE state = 'scheduled';
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'running';
CREATE INDEX job_at_rest ON job (state, id) WHERE state IN ('posted', 'skipped', 'superseded', 'dead');
CREATE INDEX job_old ON job (updated) WHERE state IN ('posted', 'skipped', 'superseded', 'dead');
CREATE INDEX job_name ON job (repository COLLATE NOCASE, number);

-- The turn that runs, one a priority: where a repository with nothing waiting queues up.
CREATE TABLE turn (
    priority INTEGER PRIMARY KEY,
    tag INTEGER NOT NULL
) STRICT;

-- The queued jobs that may run, but for the bounds. `in_flight` counts the running ones of the repository.
CREATE VIEW ready AS
SELECT id, priority, tag,
       (SELECT count(*) FROM job AS held WHERE held.state = 'running' AND held.repository_id = job.repository_id) AS in_flight
FROM job INDEXED BY job_ready
WHERE state = 'queued'
  AND NOT EXISTS (
      SELECT 1 FROM job AS held
      WHERE held.state = 'running' AND held.repository_id = job.repository_id AND held.number = job.number
  );

-- The running jobs and what the hold on them is worth. `rival`: another job of the pull request waits.
CREATE VIEW hold AS
SELECT job.*,
       pull_request.cancelled,
       pull_request.min_interval,
       CASE WHEN job.generation = pull_request.generation THEN 'held'
            WHEN pull_request.cancelled IS NOT NULL THEN 'cancelled'
            ELSE 'superseded' END AS standing,
       EXISTS (
           SELECT 1 FROM job AS other
           WHERE other.state IN ('queued', 'scheduled')
             AND other.repository_id = job.repository_id AND other.number = job.number
       ) AS rival
FROM job JOIN pull_request USING (repository_id, number)
WHERE job.state = 'running';

-- One row a hold on a job: opened by the claim, closed by the settlement or the rescue.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    claim INTEGER NOT NULL,
    worker TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    outcome TEXT,
    failure TEXT,
    reason TEXT,
    model_calls INTEGER NOT NULL DEFAULT 0,
    usd REAL NOT NULL DEFAULT 0,
    UNIQUE (job, claim)
) STRICT;


-- How long the holds took that ended with a posted review: a histogram that pruning leaves alone.
CREATE TABLE review_time (
    place INTEGER PRIMARY KEY,
    reviews INTEGER NOT NULL,
    took INTEGER NOT NULL
) STRICT;

-- `delivery` is the host's id: not signed and not unique, since a redelivery keeps it.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    delivery TEXT NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    received INTEGER NOT NULL,
    repository_id INTEGER,
    repository TEXT,
    number INTEGER,
    head_sha TEXT,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    job TEXT
) STRICT;
CREATE INDEX delivery_name ON delivery (repository COLLATE NOCASE, number);
CREATE INDEX delivery_received ON delivery (received);

CREATE TABLE review (
    job INTEGER PRIMARY KEY,
    stored INTEGER NOT NULL,
    body TEXT NOT NULL,
    review_id TEXT
) STRICT;

-- One row a model call: reserved before it, settled after it. `day` counts UTC days since 1970.
CREATE TABLE spend (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER,
    repository_id INTEGER,
    number INTEGER,
    day INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    settled INTEGER,
    status INTEGER,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    model_calls INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX spend_job ON spend (job) WHERE job IS NOT NULL;
CREATE INDEX spend_pull_request ON spend (repository_id, number, nano_usd) WHERE repository_id IS NOT NULL;

-- The sums that are asked for all the time.
CREATE TABLE spend_day (
    day INTEGER PRIMARY KEY,
    nano_usd INTEGER NOT NULL
) STRICT;
CREATE TABLE model_request (
    status TEXT PRIMARY KEY,
    requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pause (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;

CREATE TABLE pool (
    worker TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    at INTEGER NOT NULL,
    model_calls_in_flight INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
