CREATE INDEX jobs_ended ON jobs (changed_at) WHERE state IN ('done', 'failed', 'cancelled', 'skipped');

-- What is left of done jobs that were forgotten: whose their files are, and that the same work need not be done again.
CREATE TABLE made (
    path TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    missing_at REAL
) WITHOUT ROWID;
CREATE INDEX made_key ON made (key);

-- Since when a file was not there, each time somebody looked. A share that is unmounted comes back.
ALTER TABLE files ADD COLUMN missing_at REAL;
