-- Entities are kept as the JSON the wire carries; the columns beside it are only what is looked up by.
-- `position` gives lists the order of insertion. `scope` 0 is the deployment's own registry.
CREATE TABLE scope (
    num        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    revision   INTEGER NOT NULL DEFAULT 0
);
INSERT INTO scope (num, id) VALUES (0, 'exp_00000000000000000000000000');

CREATE TABLE experiment (
    scope         INTEGER PRIMARY KEY REFERENCES scope (num),
    entity        TEXT NOT NULL,
    config        TEXT NOT NULL,
    dispatch_mode TEXT NOT NULL
);

CREATE TABLE task (
    position   INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    subject    TEXT,
    entity     TEXT    NOT NULL,
    submission TEXT,
    UNIQUE (scope, id)
);
CREATE INDEX task_order ON task (scope, position);
CREATE INDEX task_state ON task (scope, state, kind);
CREATE INDEX task_subject ON task (scope, subject, kind);

CREATE TABLE idea (
    position INTEGER PRIMARY KEY,
    scope    INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    entity   TEXT    NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX idea_order ON idea (scope, position);
CREATE INDEX idea_state ON idea (scope, state);

CREATE TABLE variant (
    position INTEGER PRIMARY KEY,
    scope    INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    idea     TEXT,
    branch   TEXT,
    entity   TEXT    NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX variant_order ON variant (scope, position);
CREATE INDEX variant_status ON variant (scope, status);
CREATE INDEX variant_idea ON variant (scope, idea);
CREATE INDEX variant_branch ON variant (scope, branch);

CREATE TABLE worker (
    position    INTEGER PRIMARY KEY,
    scope       INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    name        TEXT,
    entity      TEXT    NOT NULL,
    secret_hash TEXT    NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX worker_order ON worker (scope, position);

CREATE TABLE worker_group (
    position INTEGER PRIMARY KEY,
    scope    INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    name     TEXT,
    entity   TEXT    NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX worker_group_order ON worker_group (scope, position);

CREATE TABLE registry (
    position INTEGER PRIMARY KEY,
    scope    INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    name     TEXT,
    entity   TEXT    NOT NULL,
    UNIQUE (scope, id)
);

-- `seq` counts from 1 without a gap, so the last one is the length of the log and the cursor after it.
CREATE TABLE event (
    scope  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    entity TEXT    NOT NULL,
    PRIMARY KEY (scope, seq)
) WITHOUT ROWID;
