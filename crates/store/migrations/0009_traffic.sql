-- Traffic beside the answer: which deployment gets copies of calls, and what of the payloads is kept.

ALTER TABLE endpoints ADD COLUMN mirror_traffic TEXT NOT NULL DEFAULT '{}';
ALTER TABLE endpoints ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';

-- The collector's settings as JSON; null when nothing is collected.
ALTER TABLE deployments ADD COLUMN data_collector TEXT;
