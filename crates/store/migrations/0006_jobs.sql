-- Jobs that run the user's command: a trial of a sweep names its parent. A job without registered data has the empty name there.

ALTER TABLE jobs ADD COLUMN parent TEXT REFERENCES jobs (id);
CREATE INDEX jobs_parent ON jobs (parent, created, id);
