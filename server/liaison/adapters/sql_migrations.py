"""The steps of migrations/ as Alembic takes them, without the env.py that its own command would have us write."""

from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

STEPS: Final = Path(__file__).parent / "migrations"


class Migrations:
    """What this version of liaison knows of the schema's history; one history for every database."""

    def __init__(self, steps: Path) -> None:
        self._config: Final = Config()
        self._config.set_main_option("script_location", str(steps).replace("%", "%%"))
        self._scripts: Final = ScriptDirectory.from_config(self._config)
        self.head: Final = self._scripts.get_current_head() or ""
        self.known: Final = frozenset(script.revision for script in self._scripts.walk_revisions())

    @staticmethod
    def revision_of(connection: Connection) -> str | None:
        """Give the schema that a database is at, None for none."""
        return MigrationContext.configure(connection).get_current_revision()

    def upgrade(self, connection: Connection) -> None:
        """Take the steps that are missing, within the caller's transaction."""

        def steps(revision: str, _context: object) -> list[object]:
            return self._scripts._upgrade_revs("head", revision)  # type: ignore[return-value] # noqa: SLF001

        with EnvironmentContext(self._config, self._scripts, fn=steps) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()
