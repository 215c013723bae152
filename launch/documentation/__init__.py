"""What the pages of the documentation are made with; mkdocs.yml names `hooks`."""
