"""What an office has from its first start: the channels of its registers."""

from contextlib import suppress

from liaison.core.profile import OfficeProfile
from liaison.core.register_channels import TITLES, register_channels
from liaison.core.rights import Channel
from liaison.ports.directory import AlreadyExistsError, Directory


async def found_registers(directory: Directory, profile: OfficeProfile) -> None:
    """Add the registers' channels that aren't there yet. Raises DirectoryUnavailableError."""
    first, second = profile.delegations
    known = (await directory.load()).channels
    for channel in register_channels((first.id, second.id)):
        if channel not in known:
            title_ko, title_en = TITLES[channel.partition("/")[2]]
            # Another node may found the same office at the same time.
            with suppress(AlreadyExistsError):
                await directory.add_channel(Channel(channel, title_ko, title_en), {}, actor="founding")
