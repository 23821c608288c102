-- The queue. Each query runs inside a transaction of the writer, or on the read connection.

-- name: pull_request
-- What is known of a pull request.
SELECT * FROM pull_request WHERE repository_id = :repository_id AND number = :number;

-- name: want
-- A head is wanted, by the job of this generation if it has one to be made.
INSERT INTO pull_request (repository_id, number, head_sha, updated_at, generation, min_interval)
VALUES (:repository_id, :number, :head_sha, :updated_at, :generation, :min_interval)
ON CONFLICT DO UPDATE SET
    head_sha = excluded.head_sha,
    updated_at = max(updated_at, excluded.updated_at),
    generation = excluded.generation,
    min_interval = excluded.min_interval,
    cancelled = NULL;

-- name: unwant
-- The pull request was closed or turned into a draft: no job of it keeps its standing.
INSERT INTO pull_request (repository_id, number, updated_at, generation, cancelled, min_interval)
VALUES (:repository_id, :number, :updated_at, 1, :reason, 0)
ON CONFLICT DO UPDATE SET updated_at = excluded.updated_at, generation = generation + 1, cancelled = excluded.cancelled;

-- name: newest_run
-- The newest job of a head.
SELECT * FROM job
WHERE repository_id = :repository_id AND number = :number AND head_sha = :head_sha
ORDER BY run DESC LIMIT 1;

-- name: insert_job
-- A new job. It queues up behind the last waiting one of its repository, or else behind the running turn.
INSERT INTO job (repository_id, repository, number, head_sha, base_ref, run, state, generation, priority, tag,
                 author, admitted, alone, created, updated, due)
VALUES (:repository_id, :repository, :number, :head_sha, :base_ref, :run, :state, :generation, :priority,
        1 + max(ifnull((SELECT max(tag) FROM job
                        WHERE state = 'queued' AND repository_id = :repository_id AND priority = :priority), 0),
                ifnull((SELECT tag FROM turn WHERE priority = :priority), 0)),
        :author, :admitted, :alone, :now, :now, :due);

-- name: take_turn
-- A job that is about to be queued again queues up as a new one does.
UPDATE job SET tag = 1 + max(
    ifnull((SELECT max(other.tag) FROM job AS other
            WHERE other.state = 'queued' AND other.repository_id = job.repository_id AND other.priority = job.priority), 0),
    ifnull((SELECT turn.tag FROM turn WHERE turn.priority = job.priority), 0))
WHERE id = :id;

-- name: revive
-- A job that ended without a review is asked for once more. Its stored review serves again, unless the base is another.
UPDATE job SET
    repository = :repository, reviewed = reviewed AND base_ref = :base_ref, base_ref = :base_ref, author = :author,
    priority = :priority, admitted = admitted OR :admitted, alone = :alone, generation = :generation, attempts = 0
WHERE id = :id;

-- name: recall
-- The job becomes the wanted one of its pull request again.
UPDATE job SET generation = :generation WHERE id = :id;

-- name: share
-- Somebody besides its holder has asked for this job.
UPDATE job SET alone = 0 WHERE id = :id AND alone;

-- name: admit
-- A maintainer's label named the head of this job.
UPDATE job SET admitted = 1 WHERE id = :id AND NOT admitted;

-- name: end_waiting
-- End the waiting job of a pull request.
UPDATE job SET state = :state, reason = :reason, failure = NULL, due = NULL, updated = :now
WHERE repository_id = :repository_id AND number = :number AND state IN ('queued', 'scheduled');

-- name: end_repository
-- End the waiting jobs of a whole repository.
UPDATE job SET state = 'dead', reason = :reason, failure = :failure, due = NULL, updated = :now
WHERE repository_id = :repository_id AND state IN ('queued', 'scheduled');

-- name: room
-- A row if one more may run: not paused, no circuit in the way, and below the bound. It says whether something scheduled
-- is to be looked at.
SELECT EXISTS (SELECT 1 FROM job WHERE state = 'scheduled' AND due <= :now)
    OR EXISTS (SELECT 1 FROM job INDEXED BY job_set_back WHERE state = 'scheduled' AND updated > :now) AS scheduled
WHERE (SELECT count(*) FROM job WHERE state = 'running') < :reviews
  AND NOT EXISTS (SELECT 1 FROM pause WHERE until IS NULL OR until > :now)
  AND NOT EXISTS (SELECT 1 FROM barrier WHERE (until > :now AND noted <= :now + 60000) OR probed);

-- name: set_back
-- The clock was set back behind the beginning of these waits: they begin anew, so that none lasts longer than it should.
UPDATE job INDEXED BY job_set_back SET due = :now + due - updated, updated = :now WHERE state = 'scheduled' AND updated > :now;

-- name: ripe
-- The scheduled jobs whose time has come, a bounded number of them: the next claim takes the rest.
SELECT id FROM job INDEXED BY job_scheduled WHERE state = 'scheduled' AND due <= :now ORDER BY due, id LIMIT 100;

-- name: ripen
UPDATE job SET state = 'queued', updated = :now WHERE id = :id;

-- name: next
-- The first ready job of the highest priority that is below this one.
SELECT id, priority FROM ready WHERE priority < :below ORDER BY priority DESC, tag, id LIMIT 1;

-- name: next_with_room
-- The same where repositories are bounded: the first of each that has room, and the first of these.
WITH RECURSIVE flow (of) AS (
    SELECT min(repository_id) FROM job INDEXED BY job_turn WHERE state = 'queued'
    UNION ALL
    SELECT (SELECT min(repository_id) FROM job INDEXED BY job_turn WHERE state = 'queued' AND repository_id > of)
    FROM flow WHERE of IS NOT NULL
)
SELECT job.id, job.priority FROM flow JOIN job ON job.id = (
    SELECT first.id FROM job AS first INDEXED BY job_turn
    WHERE first.state = 'queued' AND first.repository_id = flow.of AND first.priority < :below
      AND NOT EXISTS (
          SELECT 1 FROM job AS held
          WHERE held.state = 'running' AND held.repository_id = first.repository_id AND held.number = first.number
      )
    ORDER BY first.priority DESC, first.tag, first.id LIMIT 1
)
WHERE (SELECT count(*) FROM job AS held WHERE held.state = 'running' AND held.repository_id = flow.of) < :per_repository
ORDER BY job.priority DESC, job.tag, job.id LIMIT 1;

-- name: overtaken
SELECT claims FROM overtaking;

-- name: overtake
UPDATE overtaking SET claims = :claims;

-- name: claim
-- Take this ready job. The bound, the pause and the circuits are conditions of the taking itself.
UPDATE job SET
    state = 'running', claim = claim + 1, worker = :worker, lease = :lease,
    reason = NULL, failure = NULL, due = NULL, updated = :now
WHERE id = :id
  AND (SELECT count(*) FROM job WHERE state = 'running') < :reviews
  AND NOT EXISTS (SELECT 1 FROM pause WHERE until IS NULL OR until > :now)
  AND NOT EXISTS (SELECT 1 FROM barrier WHERE (until > :now AND noted <= :now + 60000) OR probed)
RETURNING *;

-- name: take
-- Take this one job, under the same bounds as a claim, and only while none of its pull request runs.
UPDATE job SET
    state = 'running', claim = claim + 1, worker = :worker, lease = :lease,
    reason = NULL, failure = NULL, due = NULL, updated = :now
WHERE id = :id AND state IN ('queued', 'scheduled')
  AND (SELECT count(*) FROM job WHERE state = 'running') < :reviews
  AND (:per_repository = 0 OR (SELECT count(*) FROM job AS held
                               WHERE held.state = 'running' AND held.repository_id = job.repository_id) < :per_repository)
  AND NOT EXISTS (SELECT 1 FROM job AS held
                  WHERE held.state = 'running' AND held.repository_id = job.repository_id AND held.number = job.number)
  AND NOT EXISTS (SELECT 1 FROM pause WHERE until IS NULL OR until > :now)
  AND NOT EXISTS (SELECT 1 FROM barrier WHERE (until > :now AND noted <= :now + 60000) OR probed)
RETURNING *;

-- name: turn
-- The turn of the job just taken now runs.
INSERT INTO turn (priority, tag) VALUES (:priority, :tag) ON CONFLICT DO UPDATE SET tag = max(tag, excluded.tag);

-- name: open_attempt
INSERT INTO attempt (job, claim, worker, started) VALUES (:id, :claim, :worker, :now);

-- name: close_attempt
UPDATE attempt SET
    ended = :now, outcome = :outcome, failure = :failure, reason = :reason, model_calls = :model_calls, usd = :usd
WHERE job = :id AND claim = :claim;

-- name: hold
-- A held job with what the hold is worth; no row if the lease is lost.
SELECT * FROM hold WHERE id = :id AND claim = :claim;

-- name: extend
-- The holder signs its lease anew.
UPDATE job SET lease = :lease, renewals = renewals + 1 WHERE id = :id;

-- name: began
UPDATE pull_request SET last_began = :now WHERE repository_id = :repository_id AND number = :number;

-- name: post_began
-- A post begins (:at), or its outcome is known (NULL).
UPDATE pull_request SET post_began = :at WHERE repository_id = :repository_id AND number = :number;

-- name: move
-- Bring a job to rest or back to waiting.
UPDATE job SET
    state = :state, reason = :reason, failure = :failure, due = :due, attempts = attempts + :charged,
    worker = NULL, lease = NULL, updated = :now
WHERE id = :id
RETURNING *;

-- name: withdraw
-- Take the standing of the running job of a pull request.
UPDATE pull_request SET generation = generation + 1, cancelled = :reason WHERE repository_id = :repository_id AND number = :number;

-- name: next_generation
UPDATE pull_request SET generation = generation + 1
WHERE repository_id = :repository_id AND number = :number
RETURNING generation;

-- name: of_pull_request
-- Whether a job of the pull request waits, or runs with its standing.
SELECT EXISTS (SELECT 1 FROM job
               WHERE repository_id = :repository_id AND number = :number AND state IN ('queued', 'scheduled'))
    OR EXISTS (SELECT 1 FROM hold WHERE repository_id = :repository_id AND number = :number AND standing = 'held');

-- name: forgive
-- An operator's retry begins with all attempts, and is for the pools.
UPDATE job SET attempts = 0, alone = 0 WHERE id = :id;

-- name: held
-- All held jobs. An order by id would walk the whole table.
SELECT * FROM hold;

-- name: insert_delivery
INSERT INTO delivery (delivery, event, action, received, repository_id, repository, number, head_sha, status, reason, job)
VALUES (:delivery, :event, :action, :received, :repository_id, :repository, :number, :head_sha, :status, :reason, :job);

-- name: insert_body
-- Kept after its delivery; one that is pruned by then has no body any more.
INSERT OR IGNORE INTO delivery_body (id, body) SELECT id, :body FROM delivery WHERE id = :id;

-- name: delivery_of
-- The newest delivery to which the host gave this id, with its body.
SELECT delivery.*, body FROM delivery LEFT JOIN delivery_body USING (id) WHERE delivery = :delivery ORDER BY id DESC LIMIT 1;

-- name: job
SELECT * FROM job WHERE id = :id;

-- name: jobs
SELECT * FROM job ORDER BY id DESC LIMIT :limit;

-- The same in one state. The doubled condition is what lets SQLite see that the partial index serves.
-- name: jobs_waiting
SELECT * FROM job INDEXED BY job_one_waiting
WHERE state IN ('queued', 'scheduled') AND state = :state
ORDER BY id DESC LIMIT :limit;

-- name: jobs_running
SELECT * FROM job INDEXED BY job_one_running WHERE state = 'running' AND state = :state ORDER BY id DESC LIMIT :limit;

-- name: jobs_at_rest
SELECT * FROM job
WHERE state IN ('posted', 'skipped', 'superseded', 'dead') AND state = :state
ORDER BY id DESC LIMIT :limit;

-- name: jobs_of
SELECT * FROM job WHERE repository = :repository COLLATE NOCASE AND number = :number ORDER BY id;

-- name: attempts_of
SELECT attempt.* FROM attempt JOIN job ON job.id = attempt.job
WHERE repository = :repository COLLATE NOCASE AND number = :number
ORDER BY attempt.id;

-- name: deliveries_of
SELECT * FROM delivery WHERE repository = :repository COLLATE NOCASE AND number = :number ORDER BY id;

-- name: ended
-- The jobs that came to rest in a period, with their stored reviews.
SELECT job.*, review.body FROM job INDEXED BY job_old LEFT JOIN review ON review.job = job.id
WHERE state IN ('posted', 'skipped', 'superseded', 'dead') AND updated >= :since AND updated < :until
ORDER BY updated, job.id;

-- name: failures_of
-- The classes of a job's failed attempts.
SELECT failure FROM attempt WHERE job = :id AND failure IS NOT NULL ORDER BY claim;

-- name: counts
SELECT 'queued' AS state, count(*) AS jobs FROM job WHERE state = 'queued'
UNION ALL SELECT 'scheduled', count(*) FROM job WHERE state = 'scheduled'
UNION ALL SELECT 'running', count(*) FROM job WHERE state = 'running'
UNION ALL SELECT state, count(*) FROM job WHERE state IN ('posted', 'skipped', 'superseded', 'dead') GROUP BY state;

-- name: oldest_due
-- Since when the longest waiting job has been due.
SELECT min(due) AS due FROM (
    SELECT min(due) AS due FROM job INDEXED BY job_due WHERE state = 'queued' AND due <= :now
    UNION ALL SELECT min(due) FROM job WHERE state = 'scheduled' AND due <= :now
);

-- name: count_review
-- One more hold ended with a posted review, and took so long.
INSERT INTO review_time (place, reviews, took) VALUES (:place, 1, :took)
ON CONFLICT DO UPDATE SET reviews = reviews + 1, took = took + excluded.took;

-- name: review_times
-- How many holds ended with a posted review, and how long they took together, by the place in the histogram.
SELECT * FROM review_time;

-- name: attempt_began
SELECT started FROM attempt WHERE job = :id AND claim = :claim;

-- name: prune_bodies
-- Those of the deliveries that `prune_deliveries` is about to take.
DELETE FROM delivery_body WHERE id IN (SELECT id FROM delivery WHERE received < :before ORDER BY received, id LIMIT :limit);

-- name: prune_deliveries
DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE received < :before ORDER BY received, id LIMIT :limit);

-- name: old_jobs
SELECT id FROM job INDEXED BY job_old
WHERE state IN ('posted', 'skipped', 'superseded', 'dead') AND updated < :before
ORDER BY updated, id LIMIT :limit;

-- name: prune_attempts
DELETE FROM attempt WHERE job = :id;

-- name: prune_job
DELETE FROM job WHERE id = :id;
