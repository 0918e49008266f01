"""``docs/schema.md``: what each tag and field means (``meanings``), written from the points' specs (``document``)."""
