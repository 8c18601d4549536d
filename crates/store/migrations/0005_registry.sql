-- The registry as MLflow's clients see it too: models without versions, tags, stages, where a version came from; logged models; the paths
-- under which runs and logged models keep their files. Tags, properties and parameters are JSON text: key → value.

ALTER TABLE models ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE models ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
-- The highest number ever given: the number of a deleted version is not given again.
ALTER TABLE models ADD COLUMN last_version BIGINT NOT NULL DEFAULT 0;
UPDATE models SET updated = created,
    last_version = (SELECT COALESCE(MAX(v.version), 0) FROM model_versions v WHERE v.model = models.name);

ALTER TABLE model_versions ADD COLUMN kind TEXT NOT NULL DEFAULT 'onnx';
ALTER TABLE model_versions ADD COLUMN native TEXT;
ALTER TABLE model_versions ADD COLUMN made_by_run BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE model_versions ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE model_versions ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
ALTER TABLE model_versions ADD COLUMN stage TEXT NOT NULL DEFAULT 'None';
ALTER TABLE model_versions ADD COLUMN source TEXT NOT NULL DEFAULT '';
-- Where an MLflow client reads the files; empty: under the version itself.
ALTER TABLE model_versions ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN run_link TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN model_id TEXT;
ALTER TABLE model_versions ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
UPDATE model_versions SET native = digest, updated = created, made_by_run = (run IS NOT NULL);

-- A run of ours registers once; a client may register as many versions from a run as it likes.
DROP INDEX model_versions_run;
CREATE UNIQUE INDEX model_versions_run ON model_versions (model, run) WHERE made_by_run;
CREATE INDEX model_versions_of_run ON model_versions (run);

CREATE TABLE logged_models (
    id         TEXT NOT NULL PRIMARY KEY,
    experiment TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    run        TEXT,
    status     TEXT NOT NULL,
    params     TEXT NOT NULL,
    tags       TEXT NOT NULL,
    created    BIGINT NOT NULL,
    updated    BIGINT NOT NULL,
    deleted    BIGINT
);
CREATE INDEX logged_models_experiment ON logged_models (experiment, created);
CREATE INDEX logged_models_run ON logged_models (run);

-- Files by path, their bytes among the content-addressed artifacts.
CREATE TABLE artifact_paths (
    path    TEXT NOT NULL PRIMARY KEY,
    digest  TEXT NOT NULL,
    bytes   BIGINT NOT NULL,
    created BIGINT NOT NULL
);
