"""Which application a rule means: the only place that compares ``apps[].match`` with anything. Pure."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from qos.policy.applications import ProcessIdentity


@dataclass(frozen=True, slots=True)
class AppIdentity:
    """What rules are compared with: the application's name, the paths of its executables, the services in it."""

    app: str
    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @classmethod
    def of(cls, app: str, process: ProcessIdentity | None) -> Self:
        """The application ``app`` as one of its processes shows it; by its name alone when none is known."""
        if process is None:
            return cls(app)
        return cls(app, (process.exe,) if process.exe else (), (app,) if process.service else ())


def matches(pattern: str, who: AppIdentity) -> bool:
    """Whether a rule's ``match`` means this application. Case does not matter; ``\\`` and ``/`` are the same.

    A glob on the name, ``.exe`` or not; on the paths when it has a slash; ``service:NAME`` on services.
    """
    glob = pattern.strip().casefold().replace("\\", "/")
    if glob.startswith("service:"):
        return any(fnmatchcase(service.casefold(), glob.removeprefix("service:")) for service in who.services)
    if "/" in glob:
        return any(fnmatchcase(path.casefold().replace("\\", "/"), glob) for path in who.paths)
    name = who.app.casefold()
    return fnmatchcase(name, glob) or fnmatchcase(name, glob.removesuffix(".exe"))
