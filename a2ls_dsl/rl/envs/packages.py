"""The packages that play tasks: installed versions, and how to install missing ones."""

from __future__ import annotations

from a2ls_dsl.diagnostics import A2lError


def installed(package: str) -> str:
    """The installed version of a package, or `none`."""
    from importlib import metadata  # slow to import

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def missing(what: str, package: str, extra: str) -> A2lError:
    """The error for `what`, which needs a package that an extra of this one installs."""
    fix = f"pip install 'a2ls-dsl[{extra}]'; in a clone: pip install -e '.[{extra}]'"
    return A2lError(f"{what} need the package {package}, which is not installed", fix)
