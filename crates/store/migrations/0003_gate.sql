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

-- What was used of quotas, written every few seconds: `rule` is what is counted by and the span, `who` a digest of whose calls.
CREATE TABLE quota_counts (
    api    TEXT NOT NULL,
    rule   TEXT NOT NULL,
    who    TEXT NOT NULL,
    period BIGINT NOT NULL,
    calls  BIGINT NOT NULL,
    bytes  BIGINT NOT NULL,
    PRIMARY KEY (api, rule, who)
);

-- `sealed` is the content under the master key, whether or not it is secret.
CREATE TABLE named_values (
    name    TEXT NOT NULL PRIMARY KEY,
    secret  BOOLEAN NOT NULL,
    sealed  TEXT NOT NULL,
    updated BIGINT NOT NULL
);

-- Keys of the token service: published from `created`, signing from `active` on, accepted until `retired`. The private part, under the
-- master key, is erased as soon as a later key signs.
CREATE TABLE signing_keys (
    kid       TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    jwk       TEXT NOT NULL,
    sealed    TEXT,
    created   BIGINT NOT NULL,
    active    BIGINT NOT NULL,
    retired   BIGINT,
    revoked   BOOLEAN NOT NULL
);

-- What is known of a client's two secrets besides their digests; `used` is a day.
ALTER TABLE principals ADD COLUMN secret_created BIGINT;
ALTER TABLE principals ADD COLUMN secret_expires BIGINT;
ALTER TABLE principals ADD COLUMN secret_used BIGINT;
ALTER TABLE principals ADD COLUMN former_created BIGINT;
ALTER TABLE principals ADD COLUMN former_expires BIGINT;
ALTER TABLE principals ADD COLUMN former_used BIGINT;
UPDATE principals SET secret_created = created WHERE secret IS NOT NULL;
UPDATE principals SET former_created = created WHERE former_secret IS NOT NULL;

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

-- The key set an issuer answered last, so that a restart during its outage refuses nobody.
CREATE TABLE issuer_keys (
    issuer  TEXT NOT NULL PRIMARY KEY REFERENCES issuers (issuer) ON DELETE CASCADE,
    jwks    TEXT NOT NULL,
    fetched BIGINT NOT NULL
);
