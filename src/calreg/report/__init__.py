"""What a terminal shows, as values: from documents and plans to lines of styled text.

Nothing here prints, opens or asks: every function takes values and a width and returns
`rich.text.Text` lines, so that a command prints them and a test reads them. `numbers` is
how a number or a time is written, `table` lays out columns, and the other modules answer
one question each. A new report is one function that returns lines.
"""
