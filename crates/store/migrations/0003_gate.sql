-- The gate: trusted issuers, roles on single objects, subscriptions, named values, signing keys, people and their sessions.

ALTER TABLE endpoints ADD COLUMN public_network_access TEXT NOT NULL DEFAULT 'enabled';

-- `issuer` is the exact text of `iss`; `detail` the rest of the record as JSON.
CREATE TABLE issuers (
    issuer  TEXT NOT NULL PRIMARY KEY,
    detail  TEXT NOT NULL,
    created BIGINT NOT NULL
);

-- A role of a principal on one thing. The role on the workspace stands with the principal itself, as the empty text when it has none;
-- `role_since` is 0 as long as it is the one the principal was made with.
ALTER TABLE principals ADD COLUMN role_since BIGINT NOT NULL DEFAULT 0;

CREATE TABLE assignments (
    principal TEXT NOT NULL REFERENCES principals (name),
    scope     TEXT NOT NULL,
    role      TEXT NOT NULL,
    created   BIGINT NOT NULL,
    PRIMARY KEY (principal, scope)
);

-- Keys of subscriptions are derived like those of endpoints. A revoked one stays, so that its keys never live again.
CREATE TABLE subscriptions (
    name                 TEXT NOT NULL PRIMARY KEY,
    api                  TEXT,
    primary_generation   BIGINT NOT NULL,
    secondary_generation BIGINT NOT NULL,
    created              BIGINT NOT NULL,
    revoked              BIGINT
);

-- `sealed` is the content under the master key, whether or not it is secret.
CREATE TABLE named_values (
    name    TEXT NOT NULL PRIMARY KEY,
    secret  BOOLEAN NOT NULL,
    sealed  TEXT NOT NULL,
    updated BIGINT NOT NULL
);

-- Keys of the token service: published from `created`, signing from `active` on, accepted until `retired`.
CREATE TABLE signing_keys (
    kid     TEXT NOT NULL PRIMARY KEY,
    sealed  TEXT NOT NULL,
    created BIGINT NOT NULL,
    active  BIGINT NOT NULL,
    retired BIGINT
);

-- How a person logs in: a password's hash (PHC text), or a subject of a login provider.
CREATE TABLE logins (
    principal TEXT NOT NULL PRIMARY KEY REFERENCES principals (name),
    password  TEXT,
    temporary BOOLEAN NOT NULL,
    provider  TEXT,
    subject   TEXT,
    UNIQUE (provider, subject)
);

-- Sessions of people, by the SHA-256 of the session's secret.
CREATE TABLE sessions (
    digest    TEXT NOT NULL PRIMARY KEY,
    principal TEXT NOT NULL REFERENCES principals (name),
    csrf      TEXT NOT NULL,
    created   BIGINT NOT NULL,
    seen      BIGINT NOT NULL,
    expires   BIGINT NOT NULL
);
CREATE INDEX sessions_principal ON sessions (principal);
