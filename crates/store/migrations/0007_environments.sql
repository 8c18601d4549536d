-- Registered environments (`spec` is domain's EnvironmentSpec as JSON, `digest` the SHA-256 of that text), and folders as data assets.

CREATE TABLE environments (
    name        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    spec        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    description TEXT NOT NULL,
    created     BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX environments_digest ON environments (name, digest);
