// The live board: the server sends it in words, then once a second the lines that changed. When the session has ended, or
// nothing comes, the page says so, marks what it shows as old, and asks again from time to time.
const STALE_MS = 5000;
const RETRY_MS = 10000;
const live = document.getElementById("live");
if (live && window.EventSource) {
  const [ended, stale] = ["ended", "stale"].map((id) => document.getElementById(id));
  let events, asked, heard = Date.now(), lines = [];
  const tell = (notice) => {
    live.classList.toggle("old", notice !== null);
    for (const it of [ended, stale]) it.hidden = it !== notice;
  };
  const tellStale = () => {
    if (!ended.hidden || !stale.hidden) return;
    // By the central's clock, as the board shows it.
    const clock = live.querySelector(".clock")?.textContent ?? "";
    stale.querySelector("time").textContent = clock;
    stale.querySelector("span").hidden = !clock;
    tell(stale);
  };
  const ask = () => {
    events?.close();
    asked = Date.now();
    events = new EventSource(live.dataset.events);
    const show = () => {
      tell(null);
      const board = live.cloneNode(false);
      board.innerHTML = lines.join("\n");
      renew(live, board);
      heard = Date.now();
    };
    events.addEventListener("board", (event) => {
      lines = event.data.split("\n");
      show();
    });
    events.addEventListener("lines", (event) => {
      for (const [at, line] of JSON.parse(event.data)) lines[at] = line;
      show();
    });
    events.addEventListener("over", () => {
      events.close();
      tell(ended);
    });
    events.onerror = tellStale;
  };
  ask();
  setInterval(() => {
    const now = Date.now();
    if (now - heard > STALE_MS) tellStale();
    if (now - Math.max(heard, asked) > RETRY_MS) ask();
  }, 1000);
}
// A page that waits for another operator is loaded again once there is another act on its draw.
const waits = document.querySelector("[data-waits]");
if (waits && window.EventSource) {
  const events = new EventSource(waits.dataset.events);
  const again = () => location.replace(location.pathname);
  const look = (event) => {
    // A board may be a second behind the page.
    if (Number(event.lastEventId) > Number(waits.dataset.waits)) again();
  };
  for (const name of ["board", "lines"]) events.addEventListener(name, look);
  events.addEventListener("over", again);
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => window.print());
}

// Changes what is different and no more: who reads, scrolls or has the focus there is not disturbed.
function renew(shown, next) {
  if (shown.nodeName !== next.nodeName) return shown.replaceWith(next);
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    if (shown.data !== next.data) shown.data = next.data;
    return;
  }
  for (const { name } of [...shown.attributes]) {
    if (!next.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const [children, nexts] = [[...shown.childNodes], [...next.childNodes]];
  nexts.forEach((it, at) => children[at] ? renew(children[at], it) : shown.append(it));
  children.slice(nexts.length).forEach((it) => it.remove());
}
