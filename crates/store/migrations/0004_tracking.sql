-- Tracking: experiments, runs, what they logged, what went in and came out. Times are milliseconds UTC, as the protocol counts them.

CREATE TABLE experiments (
    id                INTEGER NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    deleted           BOOLEAN NOT NULL,
    created           BIGINT NOT NULL,
    updated           BIGINT NOT NULL
);
INSERT INTO experiments (id, name, artifact_location, deleted, created, updated)
VALUES (0, 'Default', 'mlflow-artifacts:/0', FALSE, CAST(strftime('%s', 'now') AS INTEGER) * 1000, CAST(strftime('%s', 'now') AS INTEGER) * 1000);

CREATE TABLE experiment_tags (
    experiment BIGINT NOT NULL REFERENCES experiments (id),
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
) WITHOUT ROWID;

-- The number of a run is for these tables alone; its id is what others know.
CREATE TABLE runs (
    run          INTEGER NOT NULL PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    experiment   BIGINT NOT NULL REFERENCES experiments (id),
    name         TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    status       TEXT NOT NULL,
    start_time   BIGINT NOT NULL,
    end_time     BIGINT,
    artifact_uri TEXT NOT NULL,
    deleted      BOOLEAN NOT NULL
);
CREATE INDEX runs_newest ON runs (experiment, deleted, start_time DESC, id);

CREATE TABLE run_params (
    run   BIGINT NOT NULL REFERENCES runs (run),
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE TABLE run_tags (
    run   BIGINT NOT NULL REFERENCES runs (run),
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
-- Children are looked for by their parent.
CREATE INDEX run_tags_parent ON run_tags (value) WHERE key = 'mlflow.parentRunId';

-- The latest of each metric (value is null when it is not a number), and where its history is: `points` points of series `series`.
-- As long as `in_order` holds they lie in the order in which they are told.
CREATE TABLE run_metrics (
    run            BIGINT NOT NULL REFERENCES runs (run),
    key            TEXT NOT NULL,
    value          DOUBLE PRECISION,
    timestamp      BIGINT NOT NULL,
    step           BIGINT NOT NULL,
    series         BIGINT NOT NULL,
    points         BIGINT NOT NULL,
    in_order       BOOLEAN NOT NULL,
    tail_timestamp BIGINT NOT NULL,
    tail_step      BIGINT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX run_metrics_series ON run_metrics (series);

-- The history, 64 points of 24 bytes (value, timestamp, step) a row; id is series * 2^24 + the row's number in it.
CREATE TABLE metric_points (
    id   INTEGER NOT NULL PRIMARY KEY,
    body BLOB NOT NULL
);

-- Metrics that were logged about a model.
CREATE TABLE logged_model_metrics (
    model_id       TEXT NOT NULL,
    key            TEXT NOT NULL,
    dataset_name   TEXT NOT NULL,
    dataset_digest TEXT NOT NULL,
    timestamp      BIGINT NOT NULL,
    step           BIGINT NOT NULL,
    run            BIGINT NOT NULL REFERENCES runs (run),
    value          DOUBLE PRECISION,
    PRIMARY KEY (model_id, key, dataset_name, dataset_digest, timestamp, step, run)
) WITHOUT ROWID;

CREATE TABLE datasets (
    dataset     INTEGER NOT NULL PRIMARY KEY,
    experiment  BIGINT NOT NULL REFERENCES experiments (id),
    name        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source      TEXT NOT NULL,
    schema      TEXT,
    profile     TEXT,
    UNIQUE (experiment, name, digest)
);

CREATE TABLE run_datasets (
    run     BIGINT NOT NULL REFERENCES runs (run),
    dataset BIGINT NOT NULL REFERENCES datasets (dataset),
    context TEXT,
    tags    TEXT NOT NULL,
    PRIMARY KEY (run, dataset)
) WITHOUT ROWID;
CREATE INDEX run_datasets_dataset ON run_datasets (dataset, context);

-- Logged models that went in (output false) or came out.
CREATE TABLE run_models (
    run      BIGINT NOT NULL REFERENCES runs (run),
    output   BOOLEAN NOT NULL,
    model_id TEXT NOT NULL,
    step     BIGINT NOT NULL,
    PRIMARY KEY (run, output, model_id, step)
) WITHOUT ROWID;
CREATE INDEX run_models_model ON run_models (model_id);
