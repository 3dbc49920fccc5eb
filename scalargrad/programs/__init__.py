"""Programs: a traced function is data, `code`, made simpler, spelled in a language, and run."""
