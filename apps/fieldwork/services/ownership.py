"""Whatever a service is handed is of one firm (spec A1.2)."""

from apps.core.problems import Problem


def check_ours(firm_id: int, *rows: object) -> None:
    """Raise ``Problem`` for a row of another firm; what belongs to none is nobody's."""
    for row in rows:
        if getattr(row, "firm_id", firm_id) != firm_id:
            raise Problem("This belongs to another firm.")
