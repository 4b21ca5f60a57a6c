-- A lease outlives its expiry, so that a late renewal can be told from a foreign one (`ch11 §4`). At most one row an
-- experiment. `ends_at` is when it expires, in milliseconds since 1970, until the readers have been told that it did;
-- null from then on.
CREATE TABLE lease (
    experiment TEXT    NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    holder     TEXT    NOT NULL,
    ends_at    INTEGER,
    entity     TEXT    NOT NULL
);
CREATE INDEX lease_holder ON lease (holder);
CREATE INDEX lease_end ON lease (ends_at);

-- The bytes are in a file named after the row.
CREATE TABLE artifact (
    scope        INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    created_by   TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    created_at   TEXT    NOT NULL,
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;

-- Two ideas may share a slug; whoever drafts the second is told.
ALTER TABLE idea ADD COLUMN slug TEXT;
UPDATE idea SET slug = entity ->> '$.slug';
CREATE INDEX idea_slug ON idea (scope, slug);

-- Lists go by the order of insertion, which an index keeps only within equal columns.
DROP INDEX task_state;
CREATE INDEX task_state ON task (scope, state);
