"""What an office has from its first start: the channels of its registers."""

from contextlib import suppress

from liaison.core.profile import OfficeProfile
from liaison.core.register_channels import register_channels
from liaison.core.rights import Channel
from liaison.ports.directory import AlreadyExistsError, Directory


async def found_registers(directory: Directory, profile: OfficeProfile) -> None:
    """Add the registers' channels that aren't there yet. Raises DirectoryUnavailableError."""
    first, second = profile.delegations
    known = (await directory.load()).channels
    for channel, (title_ko, title_en) in register_channels((first.id, second.id)).items():
        if channel not in known:
            # Another node may found the same office at the same time.
            with suppress(AlreadyExistsError):
                await directory.add_channel(Channel(channel, title_ko, title_en), {}, actor="founding")
