"""How every template of the program is rendered: escaped, and with a name that it does not know as an error."""

import jinja2


def templates_of(package: str) -> jinja2.Environment:
    """Return the templates in the folder ``templates`` of a package."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
