"""The handbook's loss functions, in the order of its chapters.

They are imported when the first of them is asked for, so that
``python -m handbook_code`` need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handbook_code._all import *  # noqa: F403
    from handbook_code._all import __all__ as __all__

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "__all__" or not name.startswith("__"):
        loaded = import_module("handbook_code._all")
        names = ["__all__", *loaded.__all__]
        globals().update((n, getattr(loaded, n)) for n in names)
        # Its folders, too, are attributes of a package once imported.
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("handbook_code._all").__all__})
