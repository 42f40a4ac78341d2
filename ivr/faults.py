"""Telling of an exception where a key or a card may be in its message or its locals."""


def place(error: BaseException | None) -> dict[str, str]:
    """Return an exception's type and where it was raised, and nothing that it carries."""
    if error is None:
        return {}
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return {"error": type(error).__name__}
    code = trace.tb_frame.f_code
    return {"error": type(error).__name__, "place": f"{code.co_qualname}:{trace.tb_lineno}"}
