-- When the times of a circuit were named: if the clock is set back behind that, they mean nothing any more (core/circuit.py).
ALTER TABLE circuit ADD COLUMN noted INTEGER;

DROP VIEW barrier;
CREATE VIEW barrier AS
SELECT max(ifnull(until, 0), ifnull(limited_until, 0)) AS until,
       ifnull(noted, 0) AS noted,
       since IS NOT NULL AND EXISTS (
           SELECT 1 FROM job AS probe
           WHERE probe.id = circuit.probe_job AND probe.claim = circuit.probe_claim AND probe.state = 'running'
       ) AS probed
FROM circuit;
