"""The steps of migrations/ as Alembic takes them, without the env.py that its own command would have us write.

Each step is a file `NNNN_what.py`; its number is its revision, and each follows the one before. So nothing but the
names is read, and Alembic stays unloaded, where a database is up to date: that is each start but one.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

STEPS: Final = Path(__file__).parent / "migrations"

_VERSION_TABLE: Final = "alembic_version"


class Migrations:
    """What this version of liaison knows of the schema's history; one history for every database."""

    def __init__(self, steps: Path) -> None:
        self._steps: Final = steps
        revisions = sorted(file.name.partition("_")[0] for file in (steps / "versions").glob("[0-9]*_*.py"))
        self.head: Final = revisions[-1] if revisions else ""
        self.known: Final = frozenset(revisions)

    @staticmethod
    def revision_of(connection: Connection) -> str | None:
        """Give the schema that a database is at, None for none."""
        if not inspect(connection).has_table(_VERSION_TABLE):
            return None
        revision = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()  # noqa: S608
        return None if revision is None else str(revision)

    def upgrade(self, connection: Connection) -> None:
        """Take the steps that are missing, within the caller's transaction."""
        from alembic.config import Config  # noqa: PLC0415 - a quarter of a second that only an upgrade has to spend
        from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
        from alembic.script import ScriptDirectory  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(self._steps).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)

        def steps(revision: str, _context: object) -> list[object]:
            return scripts._upgrade_revs("head", revision)  # type: ignore[return-value] # noqa: SLF001

        with EnvironmentContext(config, scripts, fn=steps) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()
