"""The section's limits and the names of the reasons for refusing one. The format: section.pxd."""

__all__ = ["HISTORY_TICKS", "REASONS", "SECTION_MAX_BYTES"]

REASONS = {
    SECTION_TRUNCATED: "section_truncated",
    SECTION_TOO_LONG: "section_too_long",
    SECTION_TABLE: "section_table",
    SECTION_BASELINE: "section_baseline",
    SECTION_SLOTS: "section_slots",
    SECTION_CODE: "section_code",
    SECTION_NOT_CANONICAL: "section_not_canonical",
    SECTION_TRAILING: "section_trailing",
    SECTION_MISSING: "baseline_missing",
    SECTION_NO_MEMORY: "no_memory",
    SECTION_MODEL: "section_model",
}
