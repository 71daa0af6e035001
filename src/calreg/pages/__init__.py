"""Pages for people: HTML and pictures as pure functions of values; equal values, equal bytes.

`html` builds it so that nothing said by a document can become markup, `frame` is the page
around (style, script, security policy), `picture` a histogram, `published` what a site of
published references shows. Nothing here reads a file or knows a server: `site` writes pages
into a folder, `service` hands them out.
"""
