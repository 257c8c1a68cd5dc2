"""A server that notes whoever connects to it, and a page that tries every way to reach it."""

import socket
import threading


class Canary:
    """A server on loopback that notes the first line of every connection."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                caller, _ = self.server.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(0.5)
                try:
                    self.heard.append(caller.recv(4096).split(b"\r\n")[0].decode(errors="replace"))
                    caller.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nhello")
                except OSError:
                    self.heard.append("")

    def close(self):
        self.server.close()


def hostile_page(port, file, words="신메뉴"):
    """A page with a line of its own, and every way out that is known to us."""
    here, named = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    red = "width:40px;height:40px"
    return f"""<!doctype html><html><head>
<base href="{here}/base/">
<meta http-equiv="refresh" content="0;url={here}/refresh">
<link rel="stylesheet" href="{here}/style.css"><link rel="icon" href="{here}/icon">
<link rel="prefetch" href="{here}/prefetch"><link rel="preload" as="image" href="{here}/preload">
<link rel="modulepreload" href="{here}/module"><link rel="manifest" href="{here}/manifest">
<link rel="preconnect" href="{here}"><link rel="preconnect" href="{named}">
<link rel="dns-prefetch" href="//{port}.canary.example"><link rel="prerender" href="{here}/prerender">
<style>@import url("{here}/import.css"); @import url("file://{file}");
@font-face {{ font-family: x; src: url("{here}/font.woff2") }}
body {{ margin: 0; background-image: url("{here}/background.png"); font: 40px x, sans-serif }}
h1 {{ content: url("file://{file}") }} p {{ color: #00f; margin: 0; cursor: url("{here}/cursor"), auto }}
p::before {{ content: url("{here}/content.png") }}</style>
<script>
fetch("{here}/fetch", {{mode: "no-cors"}}); new WebSocket("ws://127.0.0.1:{port}/socket");
new EventSource("{here}/events"); navigator.sendBeacon("{here}/beacon"); new Image().src = "{here}/image";
navigator.serviceWorker && navigator.serviceWorker.register("{here}/worker.js");
new Worker("{here}/worker"); open("{here}/open"); location = "{here}/location";
new RTCPeerConnection({{iceServers: [{{urls: "stun:127.0.0.1:{port}"}}]}}).createDataChannel("x");
</script><script src="{here}/script.js"></script><script type="module" src="{here}/module.js"></script>
<script type="speculationrules">{{"prefetch": [{{"source": "list", "urls": ["{here}/speculated"]}}]}}</script>
</head><body background="{here}/body.png" onload="fetch('{here}/onload'); while (true) {{}}">
<p>{words}</p><h1>x</h1>
<img src="{here}/img.png" srcset="{here}/img2.png 2x" onerror="fetch('{here}/onerror')">
<img src="file://{file}" style="{red}"><img src="{named}/named.png">
<picture><source srcset="{here}/source.png"><img src="{here}/picture.png"></picture>
<iframe src="{here}/frame"></iframe><iframe src="file://{file}" style="{red}"></iframe>
<iframe srcdoc="<img src='{here}/srcdoc.png'><script>fetch('{here}/inner')</script>"></iframe>
<object data="{here}/object"></object><embed src="{here}/embed"><object data="file://{file}"></object>
<video src="{here}/video" poster="{here}/poster" autoplay></video><audio src="{here}/audio" autoplay></audio>
<form id="f" action="{here}/form"><input type="image" src="{here}/input.png"></form>
<script>document.getElementById("f").submit()</script>
<svg><image href="{here}/svg.png"/><use href="{here}/use.svg#a"/><image href="file://{file}"/></svg>
<div style="background: image-set('{here}/set.png' 1x); mask: url({here}/mask.svg); filter: url({here}/f#x)">
x</div><table background="{here}/table.png"><tr><td>x</td></tr></table>
<form name="createTreeWalker"><input name="nodeType"></form><img name="createRange">
<img name="adoptedStyleSheets"><a href="{here}/a" ping="{here}/ping" autofocus>a</a>
<script>while (true) {{}}</script></body></html>"""
