"""mkdocs hook that removes `no-run`, a mark for the test of documented commands, from fences."""


def on_page_markdown(markdown: str, **_: object) -> str:
    """The text of a page with plain `bash` fences."""
    return markdown.replace('```bash no-run', '```bash')
