"""Sample decorators of scoring scripts: what ``run()`` takes and gives, from which swagger documents are made."""
