"""Groups of commands with a default."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class DefaultCommand(TyperGroup):
    """`toolkit bench --env ENV` is `toolkit bench run --env ENV`.

    Attributes:
        default_name: name of the default command.
    """

    default_name: ClassVar[str]

    @property
    def default(self) -> Any:
        """The command without its name."""
        return self.commands[self.default_name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        has_name = args and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        if not has_name and (args or not self.no_args_is_help):
            args = [self.default_name, *args]
        return super().parse_args(ctx, args)
