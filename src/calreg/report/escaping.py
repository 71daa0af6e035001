"""Text that somebody else wrote, made harmless for the place where it is shown.

What a gate reports names files, labels and values out of a proposal. A terminal obeys control
characters, a build log obeys commands, a page obeys Markdown, HTML and names of people. Each
place has one function here; text that is ours needs none of them.
"""

from __future__ import annotations

__all__ = ["command_data", "command_property", "markdown_code", "markdown_text", "printable"]

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
# Words of prose stay readable in the source; none of these means anything to Markdown alone.
_HARMLESS = frozenset(",;?%'\"")
# A host for pages turns @name and #1 into links, and tells people, wherever text says so.
_POINTS_AT_SOMEBODY = frozenset("@#")
_BREAK = "&#8203;"  # a space of no width


def printable(text: str) -> str:
    r"""The text on one line, with all that could steer a terminal or a build log written out.

    >>> printable("a\x1b[31mb\n##[warning]c")
    'a\\x1b[31mb\\n# #[warning]c'
    """
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode("ascii")
        for char in text
    )
    # The older form of a build log's commands counts anywhere in a line.
    return shown.replace("##[", "# #[")


def command_data(text: str) -> str:
    r"""The message of a workflow command.

    >>> command_data("100 %\n::error::x")
    '100 %25%0A::error::x'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """The value of a property of a workflow command.

    >>> command_property("a,line=1::b")
    'a%2Cline=1%3A%3Ab'
    """
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def markdown_text(text: str) -> str:
    """Text that Markdown, HTML and tables leave alone, and that mentions nobody.

    >>> markdown_text("<b>|`a`| *x*")
    '&#60;b&#62;&#124;&#96;a&#96;&#124; &#42;x&#42;'
    >>> markdown_text("@ada, #1")
    '&#64;&#8203;ada, &#35;&#8203;1'
    """
    return "".join(map(_entity, printable(text)))


def _entity(char: str) -> str:
    if char not in _PUNCTUATION or char in _HARMLESS:
        return char
    return f"&#{ord(char)};{_BREAK if char in _POINTS_AT_SOMEBODY else ''}"


def markdown_code(text: str) -> str:
    """A name or a path in the letters of code, where nothing is a link or a mention.

    >>> markdown_code("a-b/c|d")
    '<code>a-b/c&#124;d</code>'
    """
    body = "".join(char if char in "-/" else _entity(char) for char in printable(text))
    return f"<code>{body}</code>"
