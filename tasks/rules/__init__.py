"""Rule events: XML rules over facts that fire once for an object, and again only after it has recovered."""
