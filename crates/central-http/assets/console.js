// The live board: the server sends it whole, in words, once a second. When nothing comes the page
// says since when, and asks again from time to time, whatever the reason is.
const STALE_MS = 5000;
const RETRY_MS = 10000;
const live = document.getElementById("live");
if (live && window.EventSource) {
  const stale = document.getElementById("stale");
  let events, asked, heard = Date.now();
  const ask = () => {
    events?.close();
    asked = Date.now();
    events = new EventSource(live.dataset.events);
    events.addEventListener("board", (event) => {
      const board = live.cloneNode(false);
      board.innerHTML = event.data;
      renew(live, board);
      heard = Date.now();
      stale.hidden = true;
    });
    events.addEventListener("over", () => location.reload());
    events.onerror = tell;
  };
  const tell = () => {
    if (!stale.hidden) return;
    // By the central's clock, as the board shows it.
    const clock = live.querySelector(".clock")?.textContent ?? "";
    stale.querySelector("time").textContent = clock;
    stale.querySelector("span").hidden = !clock;
    stale.hidden = false;
  };
  ask();
  setInterval(() => {
    const now = Date.now();
    if (now - heard > STALE_MS) tell();
    if (now - Math.max(heard, asked) > RETRY_MS) ask();
  }, 1000);
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
