"""How the dashboard looks and what its few lines of script do; pages name both by digest.

Style and script stand in the page, and its policy allows these two and nothing else. Colours
are variables: the page, its small pictures and its charts change together between light, dark
and print. The script is a help and no condition: it filters rows, says how long ago something
was, and starts a run (which wants a key, and so a script that holds it for this tab alone).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

__all__ = ["RUN_SCRIPT", "SCRIPT", "STYLE", "policy"]

STYLE = """
:root{color-scheme:light dark;--ink:#1b2128;--soft:#56616d;--line:#d5dbe1;--ground:#fff;
--raised:#f4f6f8;--link:#0b5394;--new:#0b5394;--ref:#c9d2db;--refline:#5d6975;--band:#d9e6f3;
--noise:#e9e3cf;--mark:#a8440a;--bad:#a3191f;--badground:#fbeaea;--warn:#7a5200;
--warnground:#fbf3dd;--good:#0d6640;--goodground:#e8f4ee;--fresh:#8c7fc0;--stable:#86bda1;
--unsure:#dfb955;--drifted:#c8474c}
@media (prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#a3aeb9;--line:#38424c;
--ground:#12161a;--raised:#1b2127;--link:#8ac1fa;--new:#7cb8f5;--ref:#3b4754;--refline:#a7b3bf;
--band:#20364c;--noise:#38331f;--mark:#f2a06b;--bad:#ff9a98;--badground:#3a1f20;--warn:#ecc067;
--warnground:#352b14;--good:#6fd2a0;--goodground:#15301f;--fresh:#8577c4;--stable:#3f8a63;
--unsure:#a98228;--drifted:#c05357}}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--ground:#fff;
--raised:#fff;--link:#000;--new:#0b5394;--ref:#c9d2db;--refline:#5d6975;--band:#d9e6f3;
--noise:#e9e3cf;--mark:#a8440a;--bad:#a3191f;--badground:#fff;--warn:#7a5200;--warnground:#fff;
--good:#0d6640;--goodground:#fff}
header nav,form,.skip,.start{display:none!important}.head{break-inside:avoid}
body{padding:0;max-width:none}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:78rem;padding:0 1.25rem 3rem;background:var(--ground);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link);text-underline-offset:.15em;text-decoration-thickness:.06em}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:.15rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--ground);
padding:.4rem .8rem;z-index:1}
header{display:flex;flex-wrap:wrap;gap:.1rem 1.5rem;align-items:baseline;
padding:.9rem 0 .6rem;border-bottom:1px solid var(--line);margin-bottom:1.4rem}
header strong{font-size:1.05rem;font-weight:650}
header nav{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem}
header a{text-decoration:none;padding:.15rem 0}
header a:hover{text-decoration:underline}
header [aria-current]{color:var(--ink);font-weight:600;border-bottom:2px solid var(--ink)}
h1{font-size:1.55rem;line-height:1.3;font-weight:650;margin:.2rem 0 .4rem;max-width:56rem;
text-wrap:balance}
h1 small{display:block;font-size:1rem;font-weight:500;color:var(--soft);margin-bottom:.25rem}
h2{font-size:1.12rem;font-weight:650;margin:2.2rem 0 .4rem}
h3{font-size:1rem;font-weight:600;margin:0 0 .3rem}
p{margin:.35rem 0;max-width:48rem}
ul{margin:.35rem 0;padding-left:1.2rem;max-width:52rem}
.soft,footer,figcaption,dt,th,summary,.ago{color:var(--soft)}
small,figcaption,summary,footer,th,.small{font-size:.875rem}
.opt{white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.9em}
time,.keep{white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.6rem 0}dd{margin:0}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.6rem}
input,button{font:inherit;color:inherit;background:var(--ground);border:1px solid var(--soft);
border-radius:.35rem;padding:.4rem .7rem;max-width:100%}
input[type=search]{width:22rem}
button{cursor:pointer;background:var(--raised)}button:hover{border-color:var(--ink)}
button:disabled{cursor:default;color:var(--soft)}
form{margin:.8rem 0}label{display:inline-block;margin-right:.5rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.94rem;width:100%}
th,td{text-align:left;vertical-align:top;padding:.42rem .9rem .42rem 0;
border-bottom:1px solid var(--line)}
th{font-weight:500;white-space:nowrap;vertical-align:bottom}
.list th,.list td{overflow-wrap:break-word}
tbody th{font-size:inherit;color:inherit;font-weight:400;white-space:normal;vertical-align:top}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right;white-space:nowrap}
.wide{overflow-x:auto;margin:.4rem 0}
.wide table{width:max-content;min-width:100%}
.wide th,.wide td{max-width:24rem;overflow-wrap:break-word}
.fit table{width:auto}
caption{text-align:left;color:var(--soft);font-size:.875rem;padding:.2rem 0}
.verdict{display:inline-block;white-space:nowrap;font-weight:600;padding:0 .5em;
border-radius:.3rem;border:1px solid transparent}
.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}
.verdict.bad{background:var(--badground)}.verdict.warn{background:var(--warnground)}
.verdict.good{background:var(--goodground)}.verdict.none{background:var(--raised)}
@media print{.verdict{border-color:currentColor}}
td.m{white-space:nowrap;padding-right:.55rem}
td.m b{font-weight:600}
svg{display:block;fill:none}
.meter{width:4.2rem;height:.5rem;margin-top:.1rem}
.meter .room{fill:var(--raised);stroke:var(--line)}.meter .noise{fill:var(--noise)}
.meter .value{fill:var(--stable)}.bad .value{fill:var(--drifted)}.warn .value{fill:var(--unsure)}
.meter .limit{stroke:var(--ink);stroke-width:1.2}
.spark{width:6rem;height:1.6rem}
.spark .limit{stroke:var(--mark);stroke-dasharray:4 3}.spark .line{stroke:var(--new);
stroke-width:1.5}.spark .dot{fill:var(--new)}.spark .cross{stroke:var(--bad);stroke-width:1.8}
figure{margin:0;min-width:0}
.chart{width:100%;height:auto;font-family:system-ui,sans-serif}
.charts{display:grid;gap:1.2rem 2.5rem;margin:.6rem 0 1rem}
.charts,.runs{max-width:62rem}
.runs .chart{max-width:31rem}
@media (min-width:44rem){.charts{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media (min-width:60rem){.charts.small{grid-template-columns:repeat(3,minmax(0,1fr))}}
figcaption{margin-bottom:.1rem}figcaption b{color:var(--ink);font-weight:600}
.key{display:inline-block;white-space:nowrap;margin-right:1rem}
.moved{color:var(--mark)}
.key svg{display:inline-block;width:1.6em;height:.8em;vertical-align:-.05em;margin-right:.3em}
details{margin:.3rem 0}summary{cursor:pointer;width:fit-content}
.start{border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;margin:1rem 0;
max-width:48rem}.start form{display:flex;flex-wrap:wrap;gap:.5rem .7rem;align-items:center;margin:0}
.start input{width:20rem}
#run-said:empty{margin:0}
progress{width:100%;height:.7rem;accent-color:var(--new)}
.more{color:var(--soft)}
[hidden]{display:none!important}
.finding{border-left:4px solid var(--line);padding:.1rem 0 .1rem .9rem;margin:1rem 0}
.finding.bad{border-color:var(--drifted);color:inherit}.finding.warn{border-color:var(--unsure);
color:inherit}.finding p{margin:.15rem 0}
.list tbody th{overflow-wrap:anywhere;min-width:9rem}
@media (max-width:84rem){
.list th,.list td,.list td.m{padding-right:.4rem}
.list .meter{width:3.5rem}.list .spark{width:4rem}}
@media (max-width:72rem){
.list thead{position:absolute;clip-path:inset(50%)}
.list,.list tbody{display:block}
.list tr{display:grid;grid-template-columns:repeat(6,1fr);gap:.25rem .6rem;padding:.8rem 0;
border-bottom:1px solid var(--line)}
.list th,.list td{border:0;padding:0;grid-column:span 2}
.list .all{grid-column:1/-1}
.list td[data-name]:before{content:attr(data-name);display:block;color:var(--soft);
font-size:.8rem;line-height:1.3}
.list .n{text-align:left}}
@media (max-width:52rem){
h1{font-size:1.3rem}body{padding:0 1rem 2rem}
input[type=search],.start input{width:100%}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
"""

SCRIPT = """
(()=>{const all=s=>[...document.querySelectorAll(s)];
const units=[["year",31536e6],["month",2592e6],["day",864e5],["hour",36e5],["minute",6e4]];
const words=new Intl.RelativeTimeFormat("en",{numeric:"auto"});
const ago=e=>{const ms=Date.parse(e.dateTime)-Date.now();
const [unit,size]=units.find(u=>Math.abs(ms)>=u[1])||["minute",6e4];
return words.format(Math.trunc(ms/size),unit)};
for(const e of all("time[data-ago]")){const s=document.createElement("span");
s.className="ago";s.textContent=" "+ago(e);e.after(s)}
for(const e of all("time[data-age]")){e.title=e.textContent;e.textContent=ago(e)}
const box=document.querySelector("input[type=search]");if(!box)return;
const rows=all("tbody.found tr").map(r=>[r,(r.textContent+" "+(r.dataset.words||""))
.toLowerCase()]);
const said=document.querySelector("output.count");box.closest("form").hidden=false;
const show=()=>{const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);let n=0;
for(const [row,text] of rows){const is=words.every(w=>text.includes(w));row.hidden=!is;n+=is}
said.textContent=words.length?n+" of "+rows.length:""};
box.oninput=show;box.closest("form").onsubmit=e=>e.preventDefault();
document.addEventListener("keydown",e=>{if(e.key==="/"&&!/INPUT|TEXTAREA/.test(
document.activeElement.tagName)){e.preventDefault();box.focus()}});show()})();
"""

# A key never leaves this tab but for the service itself; a wrong one is forgotten at once.
RUN_SCRIPT = """
(()=>{const form=document.querySelector("form.run");if(!form)return;
const key=form.querySelector("input")||{},button=form.querySelector("button");
const said=document.querySelector("#run-said"),bar=document.querySelector("#run-bar");
const runs=new URL(form.dataset.runs,location.href);form.hidden=false;
const remembered="calreg-key "+runs.pathname;
if(key.id)try{key.value=sessionStorage.getItem(remembered)||""}catch{}
const keep=v=>{try{v?sessionStorage.setItem(remembered,v):sessionStorage.removeItem(remembered)}
catch{}};
const tell=(text,link)=>{said.textContent=text;if(link){const a=document.createElement("a");
a.href=link[0];a.textContent=link[1];said.append(" ",a)}};
const ask=async(url,method)=>{const answer=await fetch(url,{method,cache:"no-store",
headers:key.value?{Authorization:"Bearer "+key.value}:{}});
let body={};try{body=await answer.json()}catch{}
return [answer,body]};
const wait=ms=>new Promise(r=>setTimeout(r,ms));
const problem=(answer,body)=>{const e=body.error||{};if(answer.status===401)keep("");
return answer.status===401?"This key is not accepted.":
e.message?said_of(e):"The service answered "+answer.status};
const said_of=e=>e.message+(e.hint?(/[.!?]$/.test(e.message)?" ":". ")+e.hint:"");
const count=n=>Number(n).toLocaleString("en");
const follow=async id=>{let before="";for(;;){
const [answer,run]=await ask(new URL(runs.pathname.replace(/\\/run$/,"/runs/")+
encodeURIComponent(id),runs),"GET");
if(!answer.ok)throw new Error(problem(answer,run));
const p=run.progress||{},step=p.step||"starting";
if(run.status==="running"){bar.hidden=false;
if(p.total){bar.max=p.total;bar.value=p.done}else bar.removeAttribute("value");
if(step!==before){tell("Run under way: "+step+"…");before=step}
await wait(400);continue}
bar.hidden=true;
if(run.error)throw new Error(said_of(run.error));
const s=run.summary||{};
tell(run.status==="interrupted"?"The run was interrupted; nothing of it is lost. Start it again.":
(run.version?"Run "+run.version+(run.outcome==="already-done"?" was made of the same scores: ":
" is done: "):"The run is done: ")+
(s.total_heads!==undefined?count(s.stable_heads)+" of "+count(s.total_heads)+
" heads are stable.":""),
[location.href,"Show it"]);return}};
const start=async()=>{button.disabled=true;bar.hidden=true;tell("Starting a run…");try{
const [answer,body]=await ask(new URL("?wait=false",runs),"POST");
if(answer.status===202||answer.status===409&&body.id){keep(key.value);
await follow(body.id)}
else if(answer.ok)tell("The run is done.",[location.href,"Show it"]);
else throw new Error(problem(answer,body))
}catch(e){bar.hidden=true;tell(e instanceof TypeError?"The service cannot be reached.":e.message)}
finally{button.disabled=false}};
form.onsubmit=e=>{e.preventDefault();start()}})();
"""


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def policy(*scripts: str, is_served: bool) -> str:
    """What a page may do: its own style, these scripts, and, where it is served, ask its server."""
    allowed = " ".join(map(_digest, scripts))
    server = "'self'" if is_served else "'none'"
    return (
        f"default-src 'none'; style-src {_digest(STYLE)}; script-src {allowed}; img-src data:; "
        f"connect-src {server}; base-uri 'none'; form-action {server}"
    )
