"""The newer name of raw HTTP in scoring scripts; the server itself is Portcullis."""
