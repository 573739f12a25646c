"""What a person reads when something is wrong."""


class MferError(Exception):
    """A fault a person can mend. The message is one line: what, where, what to do."""


class ClipError(MferError):
    """A fault of one clip: becomes a row of the rejects table, never ends a stage.

    ``reason`` is a short stable phrase (it is counted in summaries); ``detail`` says the rest.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple:
        return type(self), (self.reason, self.detail)  # how it crosses between processes
