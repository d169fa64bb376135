import inspect
from typing import Any

import pytest

from liaison.office.observing import BothObservers
from liaison.ports.observer import Observer

METHODS = {name: member for name, member in vars(Observer).items() if inspect.isfunction(member) and name[0] != "_"}
VALUES: dict[str, Any] = {"str": "x", "DelegationId": "south", "int": 3, "float": 2.5, "bool": True}


class Recorder:
    """Takes any call and keeps it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


@pytest.mark.parametrize("name", METHODS)
def test_each_of_both_is_told_everything(name: str) -> None:
    first, second = Recorder(), Recorder()
    both = BothObservers(first, second)
    args, kwargs = [], {}
    for parameter in list(inspect.signature(METHODS[name]).parameters.values())[1:]:
        value = VALUES[getattr(parameter.annotation, "__name__", str(parameter.annotation))]
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    getattr(both, name)(*args, **kwargs)
    assert first.calls == second.calls == [(name, tuple(args), kwargs)]
