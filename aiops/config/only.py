"""Settings that several receivers share."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Url = Annotated[str, Meta(pattern="^https?://")]
Name = Annotated[str, Meta(description="for logs, metrics and commands; no two receivers have the same")]
Seconds = Annotated[float, Meta(gt=0, description="for connecting, and for each read and write")]


class Only(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents a receiver is told of; what is left out is counted and logged with the reason."""

    severity: Annotated[list[Literal["critical", "warning"]], Meta(description="as severe as these; none = all")] = (
        field(default_factory=list)
    )
    kind: Annotated[
        list[Literal["observed", "predicted", "self"]],
        Meta(description="of these kinds; none = all, but what may page is never told of predicted ones"),
    ] = field(default_factory=list)
    service: Annotated[list[str], Meta(description="one of these takes part, `*` is any text; none = all")] = field(
        default_factory=list
    )


Told = Annotated[Only, Meta(description="of which incidents it is told; all, if absent")]
