"""Why a description cannot be served."""


class NotAcceptable(Exception):  # noqa: N818 - named as SIP names it
    """A well-formed description that we cannot serve (answer 488).

    `warning` is the code of RFC 3261 §20.43 that goes with `reason`.
    """

    def __init__(self, warning: int, reason: str) -> None:
        super().__init__(reason)
        self.warning = warning
        self.reason = reason
