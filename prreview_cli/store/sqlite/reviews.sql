-- Finished reviews.

-- name: store
INSERT INTO review (job, stored, body) VALUES (:job, :now, :body)
ON CONFLICT DO UPDATE SET stored = excluded.stored, body = excluded.body, review_id = NULL;

-- name: mark
-- The review of this job is stored, which a worker that takes it later finds.
UPDATE job SET reviewed = 1, updated = :now WHERE id = :id;

-- name: posted
UPDATE review SET review_id = :review_id WHERE job = :job;

-- name: stands
-- The review of this job stands on the host, whoever made it.
UPDATE job SET review_id = :review_id WHERE id = :job;

-- name: prune
-- The oldest reviews whose jobs are gone.
DELETE FROM review WHERE job IN (
    SELECT job FROM review INDEXED BY review_stored
    WHERE stored < :before AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = review.job)
    ORDER BY stored, job LIMIT :limit
);

-- name: review
SELECT body, review_id FROM review WHERE job = :job;
