"""Numbers as an analyst reads them; None is a dash."""

DASH = "–"
_MINUS = "−"


def fixed(value: float | None, decimals: int) -> str:
    """A number with a fixed number of decimals and a typographic minus sign."""
    if value is None:
        return DASH
    text = f"{value:,.{decimals}f}"
    # A number that rounds to zero has no sign.
    return (text if float(text.replace(",", "")) != 0.0 else text.lstrip("-")).replace("-", _MINUS)


def signed(value: float | None, decimals: int) -> str:
    """Like `fixed`, with a plus sign before positive numbers."""
    text = fixed(value, decimals)
    return f"+{text}" if value is not None and any(c in "123456789" for c in text) and value > 0 else text


def percent(value: float | None, decimals: int = 2) -> str:
    """A fraction in percent."""
    return DASH if value is None else f"{fixed(100.0 * value, decimals)}%"


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return DASH if value is None else f"{value:,}".replace("-", _MINUS)


def with_error(value: float | None, error: float | None, decimals: int = 3) -> str:
    """Value ± standard error."""
    if value is None or error is None:
        return fixed(value, decimals)
    return f"{fixed(value, decimals)} ± {fixed(error, decimals)}"


def interval(lower: float | None, upper: float | None, decimals: int) -> str:
    """[lower, upper] of a signed difference; empty where there is none."""
    return "" if lower is None or upper is None else f"[{signed(lower, decimals)}, {signed(upper, decimals)}]"


def seconds(value: float | None) -> str:
    """A duration, in minutes from two minutes on."""
    if value is None:
        return DASH
    if value < 10.0:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120.0 else f"{round(value) // 60} min {round(value) % 60:02d} s"


def plural(number: int, word: str) -> str:
    """A count and its word: 1 day, 3,018 days."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")
