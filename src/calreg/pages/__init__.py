"""Pages for people: HTML and pictures as pure functions of values; equal values, equal bytes.

`html` builds it so that nothing said by a document can become markup. Of published references:
`frame` is the page around (style, script, security policy), `picture` a histogram, `published`
the pages. Of the dashboard: `observed` holds the values, `answers` says them in words, `look`
and `board` are the page around, `overview`, `one_head`, `runs` and `findings` the pages, `specs`
and `drawing` their charts, `marks` the small signs in tables. To add a chart: a function in
`specs`, and a figure with its words and its numbers beside it. Nothing here reads a file or
knows a server: `site` writes pages into a folder, `service` hands them out.
"""
