-- The look at the first job of each repository finds all that it asks for in the index, `state` too, and opens no page of the table.
DROP INDEX job_turn;
CREATE INDEX job_turn ON job (repository_id, priority DESC, tag, id, number, state) WHERE state = 'queued';
