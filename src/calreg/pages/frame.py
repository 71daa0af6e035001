"""What every page of a site has: its head, its look, the few lines of script that help.

Style and script stand in the page, and the page names the digests of both: a browser runs
nothing else and fetches nothing, whatever a label or a name may hold. Without script all
is there; with it, a search field filters, and commands name the address of the site.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from calreg.pages.html import Html, Part, tag

__all__ = ["command", "page", "scrolled"]

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5b6570;--line:#d9dee3;--ground:#fff;
--raised:#f5f7f9;--link:#0b5cad;--bars:#9db4cc;--mark:#b3460b;--cut:#0b7a53;--bad:#a11d1d}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa5b1;--line:#333b44;
--ground:#14181c;--raised:#1d2329;--link:#7db8f7;--bars:#4d6780;--mark:#f0a36b;--cut:#5fd0a3;
--bad:#ff9b9b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 3rem;background:var(--ground);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link);text-underline-offset:.15em}
a:focus-visible,button:focus-visible,input:focus-visible,pre:focus-visible,.wide:focus-visible
{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.6rem;line-height:1.25;margin:.25rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1rem 0 .25rem}
form{margin:.5rem 0 1rem}
footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.5rem}
section{margin-bottom:1.25rem;max-width:40rem}
time{white-space:nowrap}
.wide td{overflow-wrap:normal}
figure~.wide .n{padding-right:.5rem}
.named{list-style:none;padding:0;margin:.5rem 0;display:flex;flex-wrap:wrap;gap:.15rem 1.5rem}
p{margin:.5rem 0;max-width:46rem}
nav,.soft,footer,figcaption,.axis,dt,th{color:var(--soft)}
nav,footer,small,figcaption,.axis{font-size:.875rem}
code,pre{font-family:ui-monospace,monospace;font-size:.875rem}
.run{display:flex;gap:.5rem;align-items:start;max-width:46rem;margin:.75rem 0}
pre{flex:1;margin:0;padding:.6rem .75rem;background:var(--raised);border:1px solid var(--line);
border-radius:.4rem;white-space:pre-wrap;user-select:all}
button,input{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--line);
border-radius:.4rem;padding:.45rem .75rem}
button{cursor:pointer}
input{width:100%;max-width:30rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.4rem 1rem .4rem 0;
border-bottom:1px solid var(--line)}
th{font-weight:500;font-size:.875rem;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}
dd{margin:0}
figure{margin:.75rem 0;max-width:40rem}
svg{display:block;width:100%;height:6rem;border-bottom:1px solid var(--soft)}
svg path{vector-effect:non-scaling-stroke;fill:none;stroke-width:2}
svg .bars{fill:var(--bars)}
.percentile{stroke:var(--mark);stroke-dasharray:5 4}
.threshold{stroke:var(--cut)}
.key{display:inline-block;width:1.4em;vertical-align:.25em;border-top:2px solid}
i.percentile{border-top-style:dashed;color:var(--mark)}
i.threshold{color:var(--cut)}
figcaption span{margin-right:.75rem;white-space:nowrap}
.axis{display:flex;justify-content:space-between}
.bad{color:var(--bad)}
.cols{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 2rem}
[hidden]{display:none}
@media (max-width:40rem){.list thead{position:absolute;clip-path:inset(50%)}
.list tr{display:grid;grid-template-columns:1fr auto;padding:.5rem 0;
border-bottom:1px solid var(--line)}
.list td{border:0;padding:0}.list .extra{color:var(--soft);font-size:.875rem}}
"""

_SCRIPT = """
(()=>{const all=s=>document.querySelectorAll(s);
if(location.protocol!=="file:")for(const e of all("[data-site]"))
e.textContent=new URL(e.dataset.site,location.href).href;
if(navigator.clipboard)for(const b of all("button.copy")){b.hidden=false;
b.onclick=()=>navigator.clipboard.writeText(b.previousElementSibling.textContent)
.then(()=>{b.textContent="Copied";setTimeout(()=>{b.textContent="Copy"},2000)})}
const box=document.querySelector("input[type=search]");if(!box)return;
const rows=[...all("tbody.found tr")].map(r=>[r,(r.textContent+" "+
(r.dataset.words||"")).toLowerCase()]);
const said=document.querySelector("output");box.closest("form").hidden=false;
const show=()=>{const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);let n=0;
for(const [row,text] of rows){const is=words.every(w=>text.includes(w));row.hidden=!is;n+=is}
said.textContent=words.length?n+" of "+rows.length:""};
box.oninput=show;box.closest("form").onsubmit=e=>e.preventDefault();
document.onkeydown=e=>{if(e.key==="/"&&document.activeElement!==box){e.preventDefault();box.focus()}};
show()})()
"""

_PLACE = "https://this-site/"


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


_POLICY = (
    f"default-src 'none'; style-src '{_digest(_STYLE)}'; script-src '{_digest(_SCRIPT)}'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)


def page(title: str, root: str, *parts: Part, trail: Part = None) -> bytes:
    """A whole page.

    Args:
        title: What a browser calls it.
        root: The way to the site's folder, such as `./` or `../../`.
        parts: What stands in it.
        trail: The way back, above all else.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(_STYLE)),
    )
    way = tag("nav", trail, aria_label="Way back") if trail is not None else None
    body = tag("body", way, tag("main", *parts), tag("script", Html(_SCRIPT)), data_root=root)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n".encode()


def command(root: str, *words: str) -> Html:
    """A command that pulls from this site, to be copied; without script a place is left open."""
    line = tag(
        "code",
        "calreg pull ",
        tag("span", _PLACE, data_site=root),
        "".join(f" {word}" for word in ("models/", *words)),
    )
    button = tag("button", "Copy", type="button", class_="copy", hidden=True)
    return tag("div", tag("pre", line, tabindex="0"), button, class_="run")


def scrolled(table: Html, label: str) -> Html:
    """A table that may be wider than a telephone."""
    return tag("div", table, class_="wide", role="region", aria_label=label, tabindex="0")
