"""What the packages of Azure ML's names here have in common. Standard library only."""
