-- When the latest post to a pull request began whose outcome is not known.
ALTER TABLE pull_request ADD COLUMN post_began INTEGER;
