-- Whether nobody but its holder has asked for a job (`Jobs.take`): such a job never waits for a pool.
ALTER TABLE job ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
