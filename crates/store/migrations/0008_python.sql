-- How Python workers run a deployment, as JSON; null: the model is run by the program itself.
ALTER TABLE deployments ADD COLUMN spec TEXT;
