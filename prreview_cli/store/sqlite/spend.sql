-- The bill. Sums are nano-USD; a reservation that is never settled counts as spent.

-- name: of_review
SELECT ifnull(sum(nano_usd), 0) AS nano_usd FROM spend WHERE job = :id;

-- name: of_pull_request
SELECT ifnull(sum(nano_usd), 0) AS nano_usd FROM spend WHERE repository_id = :repository_id AND number = :number;

-- name: of_day
SELECT ifnull(sum(nano_usd), 0) AS nano_usd FROM spend_day WHERE day = :day;

-- name: by_day
SELECT day, nano_usd FROM spend_day WHERE day BETWEEN :first AND :last ORDER BY day;

-- name: reserve
INSERT INTO spend (job, repository_id, number, day, nano_usd, reserved)
VALUES (:id, :repository_id, :number, :day, :nano_usd, :now);

-- name: reservation
SELECT day, nano_usd, settled FROM spend WHERE id = :id;

-- name: settle
UPDATE spend SET
    nano_usd = :nano_usd, settled = :now, status = :status,
    input_tokens = :input_tokens, output_tokens = :output_tokens, model_calls = :model_calls
WHERE id = :id;

-- name: add_to_day
INSERT INTO spend_day (day, nano_usd) VALUES (:day, :nano_usd)
ON CONFLICT DO UPDATE SET nano_usd = nano_usd + excluded.nano_usd;

-- name: count_request
INSERT INTO model_request (status, requests) VALUES (:status, 1)
ON CONFLICT DO UPDATE SET requests = requests + 1;

-- name: usage
SELECT ifnull(sum(input_tokens), 0) AS input_tokens, ifnull(sum(output_tokens), 0) AS output_tokens,
       ifnull(sum(nano_usd), 0) AS nano_usd, ifnull(sum(model_calls), 0) AS model_calls
FROM spend WHERE job = :id;

-- name: requests
SELECT status, requests FROM model_request;

-- name: total
SELECT ifnull(sum(nano_usd), 0) AS nano_usd FROM spend_day;

-- name: prune
-- The oldest calls. The sums of their days stay.
DELETE FROM spend WHERE id IN (SELECT id FROM spend WHERE reserved < :before ORDER BY reserved, id LIMIT :limit);
