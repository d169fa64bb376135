"""What `connect` says of the terms is what holds in this office."""

from liaison.office.settings import OfficeSettings
from tests.office.whole_office import WholeOffice, in_office, secret_of


def test_connect_tells_the_pace_that_the_operator_has_set() -> None:
    async def scenario(office: WholeOffice) -> None:
        reply = await office.open().ask("connect", token=secret_of("south-1"))
        assert reply["limits"]["commands_per_s"] == 7

    in_office(scenario, OfficeSettings(commands_per_s=7.5, commands_burst=100))
