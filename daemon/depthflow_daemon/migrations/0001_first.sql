-- Times named *_at are wall-clock seconds, for people. What decides (ready, lease) is in seconds of the monotonic
-- clock and holds only within the boot that is written beside it.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'waiting', 'running', 'done', 'failed', 'cancelled', 'skipped')),
    source TEXT NOT NULL,
    spec TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '{}',
    priority INTEGER NOT NULL,
    held INTEGER NOT NULL DEFAULT 0,
    window TEXT NOT NULL DEFAULT '',
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    orphaned INTEGER NOT NULL DEFAULT 0,
    stopping INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    boot TEXT,
    lease_until REAL,
    ready REAL,
    same_as INTEGER REFERENCES jobs (id) ON DELETE SET NULL,
    error TEXT,
    added_at REAL NOT NULL,
    changed_at REAL NOT NULL
);
-- Skipped rows tell of work that was not done again; the work itself has one row.
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE state <> 'skipped';
-- For the foreign key: without it every deleted job reads the whole table.
CREATE INDEX jobs_same_as ON jobs (same_as) WHERE same_as IS NOT NULL;
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_open ON jobs (source) WHERE state IN ('queued', 'waiting', 'running');
CREATE INDEX jobs_ready ON jobs (ready) WHERE state = 'waiting';
CREATE INDEX jobs_next ON jobs (window, priority DESC, id) WHERE state = 'queued' AND held = 0;

CREATE TABLE windows (text TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE attempts (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    worker TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    outcome TEXT,
    error TEXT,
    timings TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (job, attempt)
) WITHOUT ROWID;

-- One row a path: it belongs to the source that asked for it last.
CREATE TABLE outputs (
    path TEXT PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    facts TEXT
) WITHOUT ROWID;
CREATE INDEX outputs_job ON outputs (job);

CREATE TABLE files (
    path TEXT PRIMARY KEY,
    signature TEXT NOT NULL,
    outcome TEXT NOT NULL,
    seen_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    job INTEGER,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_job ON events (job, id);

CREATE TABLE flags (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
