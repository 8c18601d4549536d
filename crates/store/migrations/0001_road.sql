-- The road: data, jobs, models, endpoints, published APIs, principals, the ledger.
-- Kept to what SQLite and Postgres both take: BIGINT, TEXT, DOUBLE PRECISION, BOOLEAN. Times are microseconds UTC, structured members are
-- JSON text, digests 64 hexadecimal digits.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE ledger (
    sequence BIGINT NOT NULL PRIMARY KEY,
    time     BIGINT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    chain    TEXT NOT NULL
);

CREATE TABLE data_assets (
    name    TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);

CREATE TABLE data_versions (
    name        TEXT NOT NULL REFERENCES data_assets (name),
    version     BIGINT NOT NULL,
    digest      TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    row_count   BIGINT NOT NULL,
    format      TEXT NOT NULL,
    columns     TEXT NOT NULL,
    profile     TEXT NOT NULL,
    description TEXT NOT NULL,
    created     BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX data_versions_digest ON data_versions (name, digest);

CREATE TABLE jobs (
    id           TEXT NOT NULL PRIMARY KEY,
    experiment   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    status       TEXT NOT NULL,
    spec         TEXT NOT NULL,
    data_name    TEXT NOT NULL,
    data_version BIGINT NOT NULL,
    data_digest  TEXT NOT NULL,
    metrics      TEXT NOT NULL,
    result       TEXT NOT NULL,
    error        TEXT,
    created      BIGINT NOT NULL,
    started      BIGINT,
    ended        BIGINT
);
CREATE INDEX jobs_created ON jobs (created, id);

CREATE TABLE trials (
    run     TEXT NOT NULL REFERENCES jobs (id),
    number  BIGINT NOT NULL,
    learner TEXT NOT NULL,
    task    TEXT NOT NULL,
    score   DOUBLE PRECISION,
    metrics TEXT NOT NULL,
    weight  DOUBLE PRECISION NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (run, number)
);

CREATE TABLE models (
    name    TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);

CREATE TABLE model_versions (
    model        TEXT NOT NULL REFERENCES models (name),
    version      BIGINT NOT NULL,
    digest       TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    signature    TEXT NOT NULL,
    metrics      TEXT NOT NULL,
    run          TEXT,
    data_name    TEXT,
    data_version BIGINT,
    data_digest  TEXT,
    description  TEXT NOT NULL,
    created      BIGINT NOT NULL,
    PRIMARY KEY (model, version)
);
CREATE UNIQUE INDEX model_versions_run ON model_versions (model, run);
CREATE INDEX model_versions_data ON model_versions (data_name, data_version);

CREATE TABLE aliases (
    model   TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
);

CREATE TABLE endpoints (
    name                 TEXT NOT NULL PRIMARY KEY,
    auth_mode            TEXT NOT NULL,
    docs_public          BOOLEAN NOT NULL,
    description          TEXT NOT NULL,
    traffic              TEXT NOT NULL,
    primary_generation   BIGINT NOT NULL,
    secondary_generation BIGINT NOT NULL,
    created              BIGINT NOT NULL
);

-- Keys are derived from an endpoint's name and a generation: a deleted endpoint leaves its generations here, so that a new one of the same
-- name never revives an old key.
CREATE TABLE retired_keys (
    endpoint             TEXT NOT NULL PRIMARY KEY,
    primary_generation   BIGINT NOT NULL,
    secondary_generation BIGINT NOT NULL
);

CREATE TABLE deployments (
    endpoint TEXT NOT NULL REFERENCES endpoints (name),
    name     TEXT NOT NULL,
    model    TEXT NOT NULL,
    version  BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    PRIMARY KEY (endpoint, name),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
);
CREATE INDEX deployments_model ON deployments (model, version);

CREATE TABLE apis (
    path     TEXT NOT NULL PRIMARY KEY,
    endpoint TEXT NOT NULL REFERENCES endpoints (name),
    policy   TEXT NOT NULL,
    created  BIGINT NOT NULL
);

CREATE TABLE principals (
    name          TEXT NOT NULL PRIMARY KEY,
    client_id     TEXT NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    role          TEXT NOT NULL,
    audience      TEXT NOT NULL,
    created       BIGINT NOT NULL,
    revoked       BIGINT,
    secret        TEXT,
    former_secret TEXT
);

CREATE TABLE revoked_tokens (
    jti     TEXT NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
