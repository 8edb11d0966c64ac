-- What a client named its request, so that one that is sent twice adds one job. `digest` tells two requests apart.
CREATE TABLE requests (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_job ON requests (job);
CREATE INDEX requests_at ON requests (at);
-- Pages by state, folder or a piece of the name, in the order of ids and without reading any spec.
CREATE INDEX jobs_names ON jobs (id, state, source);
