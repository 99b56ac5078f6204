from typing import final

__all__ = ["Mailbox"]

@final
class Mailbox: ...
