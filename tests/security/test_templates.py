"""A template fills in values and names: it reaches nothing of the process that renders it."""

from __future__ import annotations

import pytest

from runner.errors import RunnerError
from runner.project.template import plain, render

VALUES = {"this": plain("warehouse", "dim_users"), "zone": "UTC", "days": 3}


@pytest.mark.parametrize(
    "attack",
    [
        "{{ cycler.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'].environ['PATH'] }}",
        "{{ this.__class__.__mro__ }}",
        "{{ this.__init__.__globals__ }}",
        "{{ zone|attr('__class__') }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ '{0.__class__}'.format(zone) }}",
        "{{ self.__init__ }}",
        "{{ this.as_string.__func__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ 1 / 0 }}",
        "{{ this + 1 }}",
        "{{ zone() }}",
        "{{ range(10 ** 9)|list }}",
        "{{ render }}",
        "{{ days|nothing }}",
    ],
)
def test_a_template_that_reaches_out_is_an_error_with_file_and_line(attack: str) -> None:
    with pytest.raises(RunnerError, match=r"^a\.sql:2: ."):
        render(f"select 1,\n{attack}", VALUES, "a.sql")
