-- The durable queue: one record a task; (kind, key) makes a second push of the same work a no-op.

CREATE TABLE tasks (
    id       TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    payload  TEXT NOT NULL,
    state    TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    run_at   BIGINT NOT NULL,
    error    TEXT,
    created  BIGINT NOT NULL,
    ended    BIGINT,
    UNIQUE (kind, key)
);
CREATE INDEX tasks_due ON tasks (kind, state, run_at, id);
